// The endpoint where its party's sound is decoded: for a peer without a common codec, for whom it is coded anew, or for a mixer.
#include <algorithm>

#include "clock.hpp"
#include "endpoint.hpp"

namespace ramal {

void Endpoint::translate(const RtpPacket& packet, CodecKind kind, int64_t now) {
    // Neither side could use more than the poorer one has.
    const int32_t rate = std::min(rates_of(settings_.codec).sound, rates_of(peer_->settings_.codec).sound);
    if (!hearing_) hearing_ = std::make_unique<Hearing>(rate);
    hearing_->packet(kind, packet, source(), now);
    wakes_peer = true;
}

void Endpoint::hear(const RtpPacket& packet, CodecKind kind, int64_t now) {
    if (!hearing_) hearing_ = std::make_unique<Hearing>(kSampleRate);
    hearing_->packet(kind, packet, source(), now);
}

bool Endpoint::take_frame(int16_t* samples) {
    if (hearing_) return hearing_->frame(samples);
    std::fill_n(samples, kFrameSamples, int16_t{0});
    return false;
}

void Endpoint::send_mixed(const int16_t* samples, int64_t now) {
    if (heard_track_) {
        uint8_t codes[kFrameSamples];
        ramal::encode(Law::mu, samples, kFrameSamples, codes);
        heard_track_->write(CodecKind::pcmu, codes, kFrameSamples, heard_timestamp_, id, now);
        heard_timestamp_ += kFrameSamples;
    }
    send_frame(samples, kSampleRate, now);
}

void Endpoint::noise_received(const RtpPacket& packet, int64_t now) {
    if (tap_) tap_->noise(packet, source(), now);
    if (hearing_ && (seat_ != nullptr || (peer_ != nullptr && peer_->open_for_peer()))) return hearing_->noise(packet, source(), now);
    if (peer_ == nullptr || !peer_->open_for_peer()) return;
    // Whoever does not know the type hears its own silence.
    if (peer_->alike(settings_.codec) && clock() == kSampleRate) return peer_->relay(source(), packet, kComfortNoisePayload, now);
    skip_at_peer();
}

void Endpoint::repeat_at_peer(Digit digit) {
    const auto code = event_code(digit.symbol);
    if (!code) return;
    peer_->send_digit(*code, static_cast<uint32_t>(static_cast<int64_t>(digit.duration) * kSampleRate / clock()));
    wakes_peer = true;
}

void Endpoint::forget_sound() {
    hearing_.reset();
    if (peer_ != nullptr) peer_->hearing_.reset();
}

void Endpoint::send_translated_step(int64_t now) {
    int16_t samples[kLongestFrame];
    Hearing& hearing = *peer_->hearing_;
    if (hearing.frame(samples) && sending()) send_frame(samples, hearing.rate, now);
    if (hearing.idle()) break_off();
}

void Endpoint::send_frame(const int16_t* samples, int32_t rate, int64_t now) {
    if (!decoded_here(settings_.codec)) return;
    uint8_t payload[kLargestPayload];
    size_t size = kFrameSamples;
    const auto law = law_of(settings_.codec);
    if (law && rate == kSampleRate) {
        encode(*law, samples, kFrameSamples, payload);
    } else {
        if (!speaking_ || speaking_->rate != rate) speaking_ = std::make_unique<Speaking>(settings_.codec, rate);
        size = speaking_->encode(samples, payload);
    }
    if (packing_ && settings_.codec != CodecKind::opus) {
        packing_->add(payload, size, now);
        return send_packed(now, false);
    }
    const auto duration = static_cast<uint32_t>(clock() / kFramesInSecond);
    send_own(stream_.own(settings_.payload_type, duration, now), payload, size);
}

void Endpoint::send_packed(int64_t now, bool all) {
    const auto duration = static_cast<uint32_t>(clock() / 1000 * packing_->length_ms());
    for (auto payload = packing_->next(all); !payload.empty(); payload = packing_->next(all)) {
        send_own(stream_.own(settings_.payload_type, duration, now), payload.data(), payload.size());
    }
}

}  // namespace ramal
