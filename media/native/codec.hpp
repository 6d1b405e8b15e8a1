// Codecs behind one face: linear samples of 16 bits on our side, payloads of RTP packets on the wire.
//
// A decoder and an encoder serve one stream each and keep its state. They allocate when they are made and never after.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "clock.hpp"
#include "g711.hpp"

namespace ramal {

// The numbers are those of media/codec.py. Behind the last that is decoded here come those that are only passed on, as they are.
enum class CodecKind : uint8_t {
    pcmu = 0,
    pcma = 1,
    g722 = 2,
    opus = 3,
    l16 = 4,
    l16_wide = 5,
    g729 = 6,
    g723 = 7,
    g728 = 8,
    gsm = 9,
    gsm_efr = 10,
    g726_16 = 11,
    g726_24 = 12,
    g726_32 = 13,
    g726_40 = 14,
    ilbc = 15,
    amr = 16,
    amr_wb = 17,
    speex = 18,
    speex_wide = 19,
    g7221 = 20,
};

constexpr int kCodecKinds = 21;
constexpr int kDecodedKinds = 6;

constexpr bool decoded_here(CodecKind kind) { return static_cast<int>(kind) < kDecodedKinds; }

// Hertz of the sound in it (for Opus: as much as telephones use of it), and of its RTP timestamps. G.722's is half of what it should be
// since an error in RFC 1890 that RFC 3551 section 4.5.2 keeps.
struct CodecRates {
    int32_t sound;
    int32_t clock;
};

constexpr CodecRates rates_of(CodecKind kind) {
    switch (kind) {
        case CodecKind::g722: return {16000, 8000};
        case CodecKind::opus: return {16000, 48000};
        case CodecKind::l16_wide:
        case CodecKind::amr_wb:
        case CodecKind::speex_wide:
        case CodecKind::g7221: return {16000, 16000};
        default: return {8000, 8000};
    }
}

// The law of a G.711 codec: legs of the two are translated byte by byte, without decoding.
constexpr std::optional<Law> law_of(CodecKind kind) {
    if (kind == CodecKind::pcmu) return Law::mu;
    if (kind == CodecKind::pcma) return Law::a;
    return std::nullopt;
}

// Packets of ours hold 20 ms; the longest we take holds 120, the most that Opus puts into one (RFC 6716 section 3.2.5).
constexpr int32_t kLongestPacketMs = 120;
constexpr int32_t kHighestRate = 48000;
constexpr size_t kLongestFrame = kHighestRate / kFramesInSecond;
constexpr size_t kMostSamples = static_cast<size_t>(kHighestRate) / 1000 * kLongestPacketMs;
// The largest that an encoder makes: 20 ms of L16 at 16 kHz.
constexpr size_t kLargestPayload = 640;

class Decoder {
public:
    explicit Decoder(int32_t rate) : rate(rate) {}
    virtual ~Decoder() = default;
    Decoder(const Decoder&) = delete;
    Decoder& operator=(const Decoder&) = delete;

    // How many samples a payload holds; 0 when it is malformed or longer than kLongestPacketMs.
    virtual size_t length(const uint8_t* payload, size_t size) const = 0;
    // Decodes a payload into at most kMostSamples; returns how many, 0 when it is malformed.
    virtual size_t decode(const uint8_t* payload, size_t size, int16_t* samples) = 0;
    // Whether `recover` may know something.
    virtual bool recovers() const { return false; }
    // Fills the `count` samples of a lost packet from what the following one tells of it. False: it tells nothing.
    virtual bool recover(const uint8_t* /*following*/, size_t /*size*/, int16_t* /*samples*/, size_t /*count*/) { return false; }
    // Guesses `count` samples that were lost. False: the codec has no way of its own.
    virtual bool conceal(int16_t* /*samples*/, size_t /*count*/) { return false; }

    // Hertz of the samples.
    const int32_t rate;
};

class Encoder {
public:
    explicit Encoder(int32_t rate) : rate(rate) {}
    virtual ~Encoder() = default;
    Encoder(const Encoder&) = delete;
    Encoder& operator=(const Encoder&) = delete;

    size_t frame_samples() const { return static_cast<size_t>(rate / kFramesInSecond); }
    // Encodes frame_samples() into at most kLargestPayload bytes; returns how many.
    virtual size_t encode(const int16_t* samples, uint8_t* payload) = 0;

    // Hertz of the samples.
    const int32_t rate;
};

// `rate` is what the caller would like: 8000, 16000 or 48000. Most codecs have one rate only: look at what was made, and resample.
std::unique_ptr<Decoder> make_decoder(CodecKind kind, int32_t rate);
std::unique_ptr<Encoder> make_encoder(CodecKind kind, int32_t rate);

}  // namespace ramal
