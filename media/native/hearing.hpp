// What a party says as sound: an adaptive jitter buffer, decoding, concealment and comfort noise, in frames of 20 ms.
//
// Only where audio is decoded: for the other side's other codec, a mix, a tap. What is merely relayed never comes here.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "codec.hpp"
#include "comfort_noise.hpp"
#include "concealment.hpp"
#include "delay_estimate.hpp"
#include "packet_store.hpp"
#include "resampler.hpp"
#include "rtp.hpp"

namespace ramal {

struct HearingCounters {
    // Made up for what was lost or late.
    uint64_t concealed_ms = 0;
    // Taken out to catch up.
    uint64_t removed_ms = 0;
    uint64_t late_packets = 0;
};

class Hearing {
public:
    // Frames come out at `rate`: 8000, 16000 or 48000 Hz.
    explicit Hearing(int32_t rate);

    // Takes a packet of voice in `kind`. Timestamps of another `source` begin anew.
    void packet(CodecKind kind, const RtpPacket& packet, uint64_t source, int64_t now);
    // Takes a packet of comfort noise (RFC 3389).
    void noise(const RtpPacket& packet, uint64_t source, int64_t now);
    // The next 20 ms. False: nothing has come for a while and this is silence; time does not go on until something comes.
    bool frame(int16_t* samples);
    bool idle() const { return state_ == State::idle; }

    size_t frame_samples() const { return static_cast<size_t>(rate / kFramesInSecond); }
    // What packets wait now on their way through, in milliseconds.
    int32_t delay_ms() const { return static_cast<int32_t>(level_); }
    const HearingCounters& counters() const { return counters_; }

    const int32_t rate;

private:
    // Idle until something comes; then it is gathered until it will last; then it is played.
    enum class State : uint8_t { idle, gathering, playing };

    void accept(const RtpPacket& packet, int64_t duration, bool noise, uint64_t source, int64_t now);
    void use(CodecKind kind);
    void ready();
    void produce();
    void play_first();
    void play_lost(int64_t missing);
    void play_filler();
    void put_concealed(size_t count, const StoredPacket* following);
    void take(int16_t* samples, size_t count);
    void catch_up();
    int64_t waiting_ms() const;
    int32_t target_ms() const;
    // Milliseconds that wait beyond what is needed.
    float beyond() const { return level_ - static_cast<float>(target_ms() + 1000 / kFramesInSecond); }
    int64_t to_clock(size_t samples) const { return static_cast<int64_t>(samples) * clock_ / decoder_->rate; }
    size_t to_samples(int64_t units) const { return static_cast<size_t>(units * decoder_->rate / clock_); }
    uint64_t to_ms(size_t samples) const { return samples * 1000 / static_cast<size_t>(decoder_->rate); }
    size_t in_ms(int64_t milliseconds) const { return static_cast<size_t>(milliseconds * decoder_->rate / 1000); }

    // A packet, a frame, and what is taken out at once.
    static constexpr size_t kRoom = kMostSamples + 2 * kLongestFrame;

    CodecKind kind_ = CodecKind::pcmu;
    int64_t clock_ = 8000;
    std::unique_ptr<Decoder> decoder_;
    Concealment concealment_;
    Resampler resampler_;
    ComfortNoise noise_;
    DelayEstimate estimate_;
    PacketStore store_;
    State state_ = State::idle;
    uint64_t source_ = 0;
    bool has_source_ = false;
    uint32_t last_timestamp_ = 0;
    int64_t last_time_ = 0;
    // The time of the next sample to be decoded.
    int64_t next_ = 0;
    // So much was made up while nothing was there, and may stand for what comes.
    int64_t filled_ = 0;
    bool noisy_ = false;
    int32_t gathered_ms_ = 0;
    // The share of packets lost lately.
    float loss_ = 0;
    // Smoothed milliseconds that wait to be played.
    float level_ = 0;
    std::array<int16_t, kRoom> decoded_{};
    size_t decoded_count_ = 0;
    HearingCounters counters_;
};

}  // namespace ramal
