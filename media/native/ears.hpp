// What listens to a party beside its peer, its mixer and its recording: keys in the voice, whether it speaks. Absent from a plain call.
#pragma once

#include <array>
#include <memory>
#include <optional>

#include "clock.hpp"
#include "codec.hpp"
#include "events.hpp"
#include "resampler.hpp"
#include "rtp.hpp"
#include "tone_detector.hpp"
#include "voice.hpp"

namespace ramal {

struct EarSettings {
    bool digits = false;
    bool voice = false;

    bool any() const { return digits || voice; }
};

class Ears {
public:
    Ears(uint32_t endpoint, EventQueue& events) : endpoint_(endpoint), events_(events) {}
    Ears(const Ears&) = delete;
    Ears& operator=(const Ears&) = delete;

    void set(const EarSettings& settings);
    // Takes a packet of voice, in the order of arrival.
    void packet(CodecKind kind, const RtpPacket& packet);
    // A key's tone sounds, which the others are told as a digit and shall not hear.
    bool mutes() const { return tones_ && tones_->sounding(); }

private:
    size_t decode(CodecKind kind, const RtpPacket& packet);
    void voice(const int16_t* samples, size_t count);

    const uint32_t endpoint_;
    EventQueue& events_;
    std::optional<ToneDetector> tones_;
    std::optional<VoiceDetector> voice_;
    bool speaks_ = false;
    // Samples that do not fill a frame of 20 ms yet.
    std::array<int16_t, kFrameSamples> rest_{};
    size_t rested_ = 0;
    // Samples since the last change between voice and silence.
    uint64_t lasted_ = 0;
    // For codecs that are not G.711.
    CodecKind kind_ = CodecKind::pcmu;
    std::unique_ptr<Decoder> decoder_;
    std::optional<Resampler> resampler_;
    std::array<int16_t, kMostSamples> decoded_{};
    std::array<int16_t, kMostSamples> narrow_{};
};

}  // namespace ramal
