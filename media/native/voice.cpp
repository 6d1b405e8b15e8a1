#include "voice.hpp"

#include <algorithm>
#include <cstdlib>

namespace ramal {
namespace {

// About -50 dBm0: below this nobody speaks.
constexpr uint32_t kQuietest = 90;
// Two frames in a row: a click is no voice.
constexpr int kLoudInARow = 2;

}  // namespace

bool VoiceDetector::frame(const int16_t* samples, size_t count) {
    uint32_t sum = 0;
    for (size_t i = 0; i < count; ++i) sum += static_cast<uint32_t>(std::abs(static_cast<int32_t>(samples[i])));
    level_ = count == 0 ? 0 : sum / static_cast<uint32_t>(count);
    // The floor falls at once and rises by a twelfth of a decibel a frame: speech has pauses, noise has none.
    const uint32_t floor = std::max<uint32_t>(level_ * 16, 16 * 8);
    noise_ = floor < noise_ ? floor : std::min(floor, noise_ + noise_ / 128 + 1);
    const bool loud = level_ > kQuietest && level_ * 16 > 3 * noise_;
    loud_ = loud ? loud_ + 1 : 0;
    if (loud_ >= kLoudInARow) {
        hangover_ = kHangover;
    } else if (hangover_ > 0) {
        --hangover_;
    }
    return speaking();
}

}  // namespace ramal
