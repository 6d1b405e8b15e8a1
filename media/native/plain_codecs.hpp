// The codecs without memory: G.711 and linear samples (RFC 3551 section 4.5).
#pragma once

#include <memory>

#include "codec.hpp"

namespace ramal {

std::unique_ptr<Decoder> make_g711_decoder(Law law);
std::unique_ptr<Encoder> make_g711_encoder(Law law);
// `rate` in hertz.
std::unique_ptr<Decoder> make_l16_decoder(int32_t rate);
std::unique_ptr<Encoder> make_l16_encoder(int32_t rate);

}  // namespace ramal
