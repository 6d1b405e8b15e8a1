#include "tap.hpp"

#include <algorithm>
#include <bit>

namespace ramal {

Tap::Tap(int32_t rate, double seconds) : rate(rate), hearing_(rate), ring_(std::bit_ceil(static_cast<size_t>(seconds * rate))) {}

void Tap::step() {
    int16_t frame[kLongestFrame];
    const size_t count = hearing_.frame_samples();
    hearing_.frame(frame);
    const uint64_t at = written_.load(std::memory_order_relaxed);
    if (at + count - read_.load(std::memory_order_acquire) > ring_.size()) {
        lost_.fetch_add(count, std::memory_order_relaxed);
        return;
    }
    const size_t from = static_cast<size_t>(at) & (ring_.size() - 1);
    const size_t first = std::min(count, ring_.size() - from);
    std::copy_n(frame, first, ring_.begin() + static_cast<std::ptrdiff_t>(from));
    std::copy_n(frame + first, count - first, ring_.begin());
    written_.store(at + count, std::memory_order_release);
}

size_t Tap::read(int16_t* samples, size_t most) {
    const uint64_t at = read_.load(std::memory_order_relaxed);
    const size_t count = std::min(most, waiting());
    const size_t from = static_cast<size_t>(at) & (ring_.size() - 1);
    const size_t first = std::min(count, ring_.size() - from);
    std::copy_n(ring_.begin() + static_cast<std::ptrdiff_t>(from), first, samples);
    std::copy_n(ring_.begin(), count - first, samples + first);
    read_.store(at + count, std::memory_order_release);
    return count;
}

}  // namespace ramal
