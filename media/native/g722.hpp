// ITU-T G.722 at 64 kbit/s: 16 kHz sound in two bands of adaptive differential PCM.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "codec.hpp"

namespace ramal {

// The adaptive predictor of one band (G.722 sections 3.6.3 to 3.6.6 and its mirror in the decoder), and its quantiser's scale.
struct G722Band {
    // The estimate of the next sample.
    int32_t estimate = 0;
    // Logarithm and value of the quantiser's scale.
    int32_t log_scale = 0;
    int32_t scale = 0;

    // Takes the quantised difference of a sample, and estimates the next one.
    void adapt(int32_t difference);

private:
    void adapt_poles(int32_t partial);
    void adapt_zeros(int32_t difference);

    int32_t zeros_estimate_ = 0;
    std::array<int32_t, 2> reconstructed_{};
    std::array<int32_t, 2> partial_{};
    std::array<int32_t, 2> poles_{};
    std::array<int32_t, 6> differences_{};
    std::array<int32_t, 6> zeros_{};
};

// The 24 last values before the quadrature mirror filter, kept twice so that they always lie in one row.
class G722Delay {
public:
    // The older of the pair comes first; returns the 24 newest, the oldest first.
    const int32_t* push(int32_t first, int32_t second);

private:
    static constexpr size_t kTaps = 24;
    std::array<int32_t, 2 * kTaps> values_{};
    size_t at_ = 0;
};

std::unique_ptr<Decoder> make_g722_decoder();
std::unique_ptr<Encoder> make_g722_encoder();

}  // namespace ramal
