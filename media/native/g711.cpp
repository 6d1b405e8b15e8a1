#include "g711.hpp"

namespace ramal {
namespace {

// ITU-T G.711: segment and step of a µ-law code, bias 33 at 14 bits (132 at 16).
constexpr int16_t decode_mu(uint8_t code) {
    const int bits = ~code & 0xFF;
    const int magnitude = ((((bits & 0x0F) << 3) + 132) << (bits >> 4 & 7)) - 132;
    return static_cast<int16_t>(bits & 0x80 ? -magnitude : magnitude);
}

constexpr int16_t decode_a(uint8_t code) {
    const int bits = code ^ 0x55;
    const int segment = bits >> 4 & 7;
    const int step = (bits & 0x0F) << 4;
    const int magnitude = segment == 0 ? step + 8 : (step + 264) << (segment - 1);
    return static_cast<int16_t>(bits & 0x80 ? magnitude : -magnitude);
}

constexpr uint8_t encode_mu(int sample) {
    const int sign = sample < 0 ? 0x80 : 0;
    int magnitude = (sample < 0 ? -sample : sample) + 132;
    if (magnitude > 32767) magnitude = 32767;
    int segment = 7;
    while (segment > 0 && magnitude < 128 << segment) --segment;
    const int step = magnitude >> (segment + 3) & 0x0F;
    return static_cast<uint8_t>(~(sign | segment << 4 | step));
}

constexpr uint8_t encode_a(int sample) {
    const int sign = sample < 0 ? 0 : 0x80;
    int magnitude = sample < 0 ? -sample - 1 : sample;
    if (magnitude > 32767) magnitude = 32767;
    int segment = 7;
    while (segment > 0 && magnitude < 128 << segment) --segment;
    const int step = magnitude >> (segment == 0 ? 4 : segment + 3) & 0x0F;
    return static_cast<uint8_t>((sign | segment << 4 | step) ^ 0x55);
}

struct Tables {
    DecodeTable decode[2];
    TranscodeTable transcode[2];
    // By the upper 14 bits of the sample: both laws look at no more than that.
    std::array<uint8_t, 16384> encode[2];

    Tables() {
        for (int code = 0; code < 256; ++code) {
            const auto byte = static_cast<uint8_t>(code);
            decode[0][byte] = decode_mu(byte);
            decode[1][byte] = decode_a(byte);
            transcode[0][byte] = encode_a(decode_mu(byte));
            transcode[1][byte] = encode_mu(decode_a(byte));
        }
        for (int index = 0; index < 16384; ++index) {
            const int sample = static_cast<int16_t>(index << 2);
            encode[0][index] = encode_mu(sample);
            encode[1][index] = encode_a(sample);
        }
    }
};

const Tables tables;

}  // namespace

const DecodeTable& decode_table(Law law) { return tables.decode[static_cast<int>(law)]; }

void encode(Law law, const int16_t* samples, size_t count, uint8_t* codes) {
    const auto& table = tables.encode[static_cast<int>(law)];
    for (size_t i = 0; i < count; ++i) codes[i] = table[static_cast<uint16_t>(samples[i]) >> 2];
}

void transcode(Law from, uint8_t* codes, size_t count) {
    const auto& table = tables.transcode[static_cast<int>(from)];
    for (size_t i = 0; i < count; ++i) codes[i] = table[codes[i]];
}

}  // namespace ramal
