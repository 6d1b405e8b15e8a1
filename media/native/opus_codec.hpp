// Opus for speech (RFC 6716, RFC 7587), by libopus. Its decoder recovers and conceals losses itself.
#pragma once

#include <memory>

#include "codec.hpp"

namespace ramal {

// `rate` is 8000, 12000, 16000, 24000 or 48000; the band of what is sent follows it. Throws std::bad_alloc.
std::unique_ptr<Decoder> make_opus_decoder(int32_t rate);
std::unique_ptr<Encoder> make_opus_encoder(int32_t rate);

}  // namespace ramal
