#include "opus_codec.hpp"

#include <opus/opus.h>

#include <new>

namespace ramal {
namespace {

// The least at which libopus puts redundancy beside wideband speech.
constexpr opus_int32 kBitsPerSecond = 28'000;
// Half of the cost of the highest, hardly less in the ear at this rate.
constexpr opus_int32 kComplexity = 5;
// So much loss the redundancy in each packet is laid out for.
constexpr opus_int32 kExpectedLossPercent = 5;

struct Destroy {
    void operator()(OpusDecoder* decoder) const { opus_decoder_destroy(decoder); }
    void operator()(OpusEncoder* encoder) const { opus_encoder_destroy(encoder); }
};

class OpusSpeechDecoder final : public Decoder {
public:
    explicit OpusSpeechDecoder(int32_t rate) : Decoder(rate) {
        int error = OPUS_OK;
        state_.reset(opus_decoder_create(rate, 1, &error));
        if (error != OPUS_OK) throw std::bad_alloc();
    }

    size_t length(const uint8_t* payload, size_t size) const override {
        if (size == 0) return 0;
        const int count = opus_packet_get_nb_samples(payload, static_cast<opus_int32>(size), rate);
        return count > 0 && count <= rate / 1000 * kLongestPacketMs ? static_cast<size_t>(count) : 0;
    }
    size_t decode(const uint8_t* payload, size_t size, int16_t* samples) override {
        const size_t count = length(payload, size);
        return count > 0 && run(payload, size, samples, count, false) ? count : 0;
    }
    bool recovers() const override { return true; }
    bool recover(const uint8_t* following, size_t size, int16_t* samples, size_t count) override {
        return length(following, size) > 0 && run(following, size, samples, count, true);
    }
    bool conceal(int16_t* samples, size_t count) override { return run(nullptr, 0, samples, count, false); }

private:
    bool run(const uint8_t* payload, size_t size, int16_t* samples, size_t count, bool redundancy) {
        const int done = opus_decode(state_.get(), payload, static_cast<opus_int32>(size), samples, static_cast<int>(count), redundancy);
        return done == static_cast<int>(count);
    }

    std::unique_ptr<OpusDecoder, Destroy> state_;
};

class OpusSpeechEncoder final : public Encoder {
public:
    explicit OpusSpeechEncoder(int32_t rate) : Encoder(rate) {
        int error = OPUS_OK;
        state_.reset(opus_encoder_create(rate, 1, OPUS_APPLICATION_VOIP, &error));
        if (error != OPUS_OK) throw std::bad_alloc();
        opus_encoder_ctl(state_.get(), OPUS_SET_BITRATE(kBitsPerSecond));
        opus_encoder_ctl(state_.get(), OPUS_SET_COMPLEXITY(kComplexity));
        opus_encoder_ctl(state_.get(), OPUS_SET_SIGNAL(OPUS_SIGNAL_VOICE));
        opus_encoder_ctl(state_.get(), OPUS_SET_INBAND_FEC(1));
        opus_encoder_ctl(state_.get(), OPUS_SET_PACKET_LOSS_PERC(kExpectedLossPercent));
    }

    size_t encode(const int16_t* samples, uint8_t* payload) override {
        const opus_int32 size = opus_encode(state_.get(), samples, static_cast<int>(frame_samples()), payload, kLargestPayload);
        return size > 0 ? static_cast<size_t>(size) : 0;
    }

private:
    std::unique_ptr<OpusEncoder, Destroy> state_;
};

}  // namespace

std::unique_ptr<Decoder> make_opus_decoder(int32_t rate) { return std::make_unique<OpusSpeechDecoder>(rate); }
std::unique_ptr<Encoder> make_opus_encoder(int32_t rate) { return std::make_unique<OpusSpeechEncoder>(rate); }

}  // namespace ramal
