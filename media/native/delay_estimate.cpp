#include "delay_estimate.hpp"

#include <algorithm>

namespace ramal {
namespace {

constexpr uint32_t kMemory = 100;
constexpr float kInTime = 0.95F;
// The fastest packet is forgotten so slowly, so that a sender's slower clock is followed: 0.5 ms a second at 50 packets.
constexpr int64_t kDriftUs = 10;

}  // namespace

void DelayEstimate::arrived(int64_t media_us, int64_t arrival_us) {
    const int64_t transit = arrival_us - media_us;
    fastest_ = started_ ? std::min(transit, fastest_ + kDriftUs) : transit;
    started_ = true;
    const int64_t late = (transit - fastest_) / (1000 * kBin);
    const auto bin = static_cast<size_t>(std::clamp<int64_t>(late, 0, kBins - 1));
    packets_ = std::min(packets_ + 1, kMemory);
    const float forgotten = 1.0F / static_cast<float>(packets_);
    for (float& share : shares_) share *= 1 - forgotten;
    shares_[bin] += forgotten;
    float in_time = 0;
    size_t enough = 0;
    for (; enough < kBins - 1; ++enough) {
        in_time += shares_[enough];
        if (in_time >= kInTime) break;
    }
    target_ = static_cast<int32_t>(enough + 1) * kBin;
}

}  // namespace ramal
