#include "ears.hpp"

#include <algorithm>

#include "clock.hpp"

namespace ramal {

void Ears::set(const EarSettings& settings) {
    if (settings.digits != tones_.has_value()) {
        tones_.reset();
        if (settings.digits) tones_.emplace();
    }
    if (settings.voice != voice_.has_value()) {
        voice_.reset();
        if (settings.voice) voice_.emplace();
        speaks_ = false;
        rested_ = 0;
        lasted_ = 0;
    }
}

size_t Ears::decode(CodecKind kind, const RtpPacket& packet) {
    if (const auto law = law_of(kind)) {
        const DecodeTable& table = decode_table(*law);
        const size_t count = std::min(packet.size, narrow_.size());
        std::transform(packet.payload, packet.payload + count, narrow_.begin(), [&table](uint8_t code) { return table[code]; });
        return count;
    }
    if (!decoder_ || kind != kind_) {
        kind_ = kind;
        decoder_ = make_decoder(kind, static_cast<int32_t>(kSampleRate));
        resampler_.reset();
        if (decoder_->rate != kSampleRate) resampler_.emplace(decoder_->rate, static_cast<int32_t>(kSampleRate));
    }
    if (!resampler_) return decoder_->decode(packet.payload, packet.size, narrow_.data());
    const size_t count = decoder_->decode(packet.payload, packet.size, decoded_.data());
    return resampler_->process(decoded_.data(), count, narrow_.data());
}

void Ears::packet(CodecKind kind, const RtpPacket& packet) {
    const size_t count = decode(kind, packet);
    if (tones_) {
        if (const auto digit = tones_->samples(narrow_.data(), count)) {
            events_.push({EventKind::digit_received, endpoint_, static_cast<uint32_t>(digit->symbol), digit->duration / 8.0});
        }
    }
    if (voice_) voice(narrow_.data(), count);
}

void Ears::voice(const int16_t* samples, size_t count) {
    while (count > 0) {
        const size_t take = std::min(count, rest_.size() - rested_);
        std::copy_n(samples, take, rest_.begin() + static_cast<std::ptrdiff_t>(rested_));
        rested_ += take;
        samples += take;
        count -= take;
        if (rested_ < rest_.size()) return;
        rested_ = 0;
        const bool speaks = voice_->frame(rest_.data(), rest_.size());
        if (speaks != speaks_) {
            const auto kind = speaks ? EventKind::voice_began : EventKind::voice_ended;
            events_.push({kind, endpoint_, 0, static_cast<double>(lasted_) / kSampleRate});
            speaks_ = speaks;
            lasted_ = 0;
        }
        lasted_ += kFrameSamples;
    }
}

}  // namespace ramal
