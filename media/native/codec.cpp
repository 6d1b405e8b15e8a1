#include "codec.hpp"

#include "g722.hpp"
#include "opus_codec.hpp"
#include "plain_codecs.hpp"

namespace ramal {

std::unique_ptr<Decoder> make_decoder(CodecKind kind, int32_t rate) {
    switch (kind) {
        case CodecKind::pcma: return make_g711_decoder(Law::a);
        case CodecKind::g722: return make_g722_decoder();
        case CodecKind::opus: return make_opus_decoder(rate);
        case CodecKind::l16:
        case CodecKind::l16_wide: return make_l16_decoder(rates_of(kind).sound);
        default: return make_g711_decoder(Law::mu);
    }
}

std::unique_ptr<Encoder> make_encoder(CodecKind kind, int32_t rate) {
    switch (kind) {
        case CodecKind::pcma: return make_g711_encoder(Law::a);
        case CodecKind::g722: return make_g722_encoder();
        case CodecKind::opus: return make_opus_encoder(rate);
        case CodecKind::l16:
        case CodecKind::l16_wide: return make_l16_encoder(rates_of(kind).sound);
        default: return make_g711_encoder(Law::mu);
    }
}

}  // namespace ramal
