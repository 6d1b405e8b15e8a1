#include "speaking.hpp"

namespace ramal {

Speaking::Speaking(CodecKind kind, int32_t rate)
    : kind(kind), rate(rate), encoder_(make_encoder(kind, rate)), resampler_(rate, encoder_->rate) {}

size_t Speaking::encode(const int16_t* samples, uint8_t* payload) {
    if (encoder_->rate == rate) return encoder_->encode(samples, payload);
    int16_t resampled[kLongestFrame];
    resampler_.process(samples, frame_samples(), resampled);
    return encoder_->encode(resampled, payload);
}

}  // namespace ramal
