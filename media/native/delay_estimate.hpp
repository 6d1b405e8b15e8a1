// How long packets must wait so that the late ones of a stream come in time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace ramal {

// Keeps a forgetting histogram of how much later than the fastest packets arrive, over about two seconds.
class DelayEstimate {
public:
    // A packet whose first sample has `media_us` on its sender's clock came at `arrival_us`; both in microseconds from any start.
    void arrived(int64_t media_us, int64_t arrival_us);
    // The clock of the sender began anew; what is known of the network stays.
    void restart() { started_ = false; }
    // So that 95 % of the packets would have come in time: 10 to 300 ms.
    int32_t milliseconds() const { return target_; }

private:
    static constexpr int32_t kBin = 10;
    static constexpr size_t kBins = 30;

    bool started_ = false;
    int64_t fastest_ = 0;
    uint32_t packets_ = 0;
    int32_t target_ = kBin;
    std::array<float, kBins> shares_{};
};

}  // namespace ramal
