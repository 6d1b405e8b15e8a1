#include "playout.hpp"

#include <algorithm>

namespace ramal {

void Playout::begin(uint32_t timestamp, uint64_t epoch, int64_t at) {
    clear(next_, end_);
    started_ = true;
    epoch_ = epoch;
    timestamp_ = timestamp;
    position_ = end_ = at;
    next_ = at - kAhead;
    least_ready_ = kLongest;
    taken_ = 0;
}

void Playout::clear(int64_t from, int64_t to) {
    for (int64_t at = from; at < to; ++at) ring_[static_cast<size_t>(at) % kRing] = 0;
}

void Playout::put(const int16_t* samples, size_t count, uint32_t timestamp, uint64_t epoch) {
    // Whatever a stranger's packet holds: it must leave room for what is yet to be handed out.
    count = std::min<size_t>(count, kRing / 4);
    // Begins far from zero, so that places are never negative.
    if (!started_) begin(timestamp, epoch, int64_t{1} << 40);
    int64_t at = position_ + static_cast<int32_t>(timestamp - timestamp_);
    const auto length = static_cast<int64_t>(count);
    if (epoch != epoch_ || at + length > next_ + kLongest || at < next_ - kLongest) {
        at = std::max(end_, next_);
        begin(timestamp, epoch, at);
    }
    if (at < next_) {
        // Overtaken by what came after it, or a copy: it is lost.
        if (at + length <= end_) return;
        // Late: from now on everything waits so much longer. After a pause it begins anew.
        next_ = next_ - at > kAhead ? at - kAhead : at;
        least_ready_ = 0;
    }
    timestamp_ = timestamp;
    position_ = at;
    for (size_t i = 0; i < count; ++i) ring_[static_cast<size_t>(at + static_cast<int64_t>(i)) % kRing] = samples[i];
    end_ = std::max(end_, at + length);
}

bool Playout::take(int16_t* samples) {
    if (!started_) return false;
    const bool any = end_ > next_;
    if (any) least_ready_ = std::min(least_ready_, end_ - next_);
    for (int64_t i = 0; i < kFrameSamples; ++i) {
        int16_t& sample = ring_[static_cast<size_t>(next_ + i) % kRing];
        samples[i] = sample;
        sample = 0;
    }
    next_ += kFrameSamples;
    if (++taken_ == kWindow) adapt();
    return any;
}

void Playout::adapt() {
    const int64_t spare = std::min(least_ready_ - kSpare, end_ - next_);
    if (least_ready_ < kLongest && spare > 0) {
        clear(next_, next_ + spare);
        next_ += spare;
    }
    least_ready_ = kLongest;
    taken_ = 0;
}

}  // namespace ramal
