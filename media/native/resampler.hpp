// Resampling between 8, 16 and 48 kHz by a polyphase filter that keeps 43 % of the lower rate and lets no alias through (-60 dB).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "codec.hpp"

namespace ramal {

// One stream's. It delays by 24 samples of the lower rate: 3 ms at 8 kHz.
class Resampler {
public:
    // Rates in hertz; one is the other's multiple by 1, 2, 3 or 6.
    Resampler(int32_t from, int32_t to);

    // Returns how many samples came out: exactly count * to / from, over all calls.
    size_t process(const int16_t* samples, size_t count, int16_t* out);
    // As new: nothing of the past sounds on.
    void reset();

private:
    // Taps for each sample of the lower rate.
    static constexpr size_t kTaps = 48;
    // Samples that are worked on at once.
    static constexpr size_t kPiece = kLongestFrame;

    size_t interpolate(size_t count, int16_t* out);
    size_t decimate(size_t count, int16_t* out);

    bool up_;
    size_t factor_;
    // By phase, each reversed in time: a row for interpolation, one long row for decimation.
    std::vector<float> filter_;
    // The past, then what is being worked on.
    std::vector<float> line_;
    size_t past_ = 0;
    // Samples of a decimated stream until the next that is kept.
    size_t skip_ = 0;
};

}  // namespace ramal
