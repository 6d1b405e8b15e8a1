// An endpoint: one party's RTP and RTCP sockets, and all that is known of its stream.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>

#include "codec.hpp"
#include "dtmf.hpp"
#include "ears.hpp"
#include "events.hpp"
#include "hearing.hpp"
#include "mixer.hpp"
#include "packing.hpp"
#include "ports.hpp"
#include "recorder.hpp"
#include "rtcp.hpp"
#include "rtp.hpp"
#include "security.hpp"
#include "sound.hpp"
#include "speaking.hpp"
#include "tap.hpp"
#include "transport.hpp"

namespace ramal {

struct EndpointSettings {
    // Empty: nothing is sent.
    SocketAddress remote;
    CodecKind codec = CodecKind::pcmu;
    uint8_t payload_type = 0;
    // Negative: the party takes no telephone events.
    int telephone_event = -1;
    bool send = true;
    bool receive = true;
    bool latching = true;
    // A host whose packets may be the party's, beside the remote one's; empty: any.
    SocketAddress beside;
    bool relay_digits = true;
};

// Written by the engine's thread only, read by any.
template <typename T>
class Published {
public:
    void set(T value) { value_.store(value, std::memory_order_relaxed); }
    void add(T value) { set(get() + value); }
    T get() const { return value_.load(std::memory_order_relaxed); }

private:
    std::atomic<T> value_{};
};

struct EndpointCounters {
    Published<uint64_t> packets_received;
    Published<uint64_t> packets_sent;
    Published<uint64_t> octets_sent;
    Published<uint64_t> packets_lost;
    // From a source that is not the party's, or malformed.
    Published<uint64_t> packets_rejected;
    Published<double> jitter_ms;
    // Negative while unknown.
    Published<double> round_trip_ms;
    // What the party reported of our stream, and how often.
    Published<uint64_t> reports;
    Published<int64_t> reported_lost;
    Published<double> reported_jitter_ms;
    // Monotonic nanoseconds, 0 while none.
    Published<int64_t> first_packet;
    Published<int64_t> last_packet;
};

class Endpoint {
public:
    Endpoint(uint32_t id, PortPair* pair, Transport& transport, EventQueue& events, int64_t now);
    Endpoint(const Endpoint&) = delete;
    Endpoint& operator=(const Endpoint&) = delete;

    void configure(const EndpointSettings& settings, int64_t now);
    // Makes packets of our own as long as the party wants them; they have 20 ms until told.
    void pack(int packet_ms);
    // Null: nobody.
    void set_peer(Endpoint* peer);
    Endpoint* peer() const { return peer_; }
    // Its place in a mixer, which alone calls this; null: nowhere.
    void sit(Seat* seat);
    Seat* seat() const { return seat_; }
    // The next kFrameSamples of what the party says, for the mixer. False: it is silent.
    bool take_frame(int16_t* samples);
    bool open_for_mixer() const { return open_for_peer(); }
    // Sends kFrameSamples of the mixer's.
    void send_mixed(const int16_t* samples, int64_t now);
    // Takes the place of what is being played.
    void play(uint32_t playback, Playlist playlist);
    void stop_play();
    void send_digit(uint8_t event, uint32_t duration) { digits_out_.add(event, duration); }
    // What else is to be heard in the party's voice.
    void listen(const EarSettings& settings);
    // Who reads what the party says; null: nobody. The one before is told that nothing more comes.
    void tap(std::shared_ptr<Tap> tap);
    const std::shared_ptr<Tap>& tapped() const { return tap_; }
    // Null: nowhere. An endpoint is in one recording at a time.
    void record_to(std::shared_ptr<Track> track, uint32_t recording);
    uint32_t recording() const { return recording_; }
    // The same for what a mixer lets the party hear.
    void record_heard_to(std::shared_ptr<Track> track, uint32_t recording);
    uint32_t heard_recording() const { return heard_recording_; }
    // Ends all that is going on; the sockets stay open.
    void retire();

    // Encrypted from now on: without keys nothing is sent or heard. Else in the clear.
    void encrypt(bool encrypted);
    void change_keys(const SrtpKeys& keys);
    // RTCP goes to the RTP port (RFC 5761).
    void multiplex(bool multiplexed);
    // The party shows by checks where it is (RFC 8445), and keys are agreed by DTLS.
    void expect_checks(const std::string& fragment, const std::string& password, int64_t now);
    void take_handshakes();
    void send_handshake(const uint8_t* data, size_t size);

    void rtp_received(uint8_t* data, size_t size, const SocketAddress& from, int64_t now);
    void rtcp_received(uint8_t* data, size_t size, const SocketAddress& from, int64_t now, bool multiplexed);

    // Something is being sent that is not simply passed on, or made for a reader: `tick` is due each 20 ms.
    bool ticking() const { return busy() || translating() || tap_ != nullptr; }
    void tick(int64_t now);
    // A received digit waits for its end.
    bool digit_pending() const { return digits_in_.active(); }
    void expire_digit(int64_t now);
    // Once a second. `timeout` in nanoseconds, 0: never.
    void supervise(int64_t now, int64_t timeout);

    const uint32_t id;
    const uint16_t port;
    // Others' once it is closed.
    PortPair* const pair;
    EndpointCounters counters;
    // The loop's own marks: whether it is in a list of those that tick, or wait for a digit's end, and whether it is closed.
    bool in_ticks = false;
    bool in_digits = false;
    bool closed = false;
    // Set when the peer has something to translate or to send from now on; the loop sees to it.
    bool wakes_peer = false;

private:
    void audio_received(const RtpPacket& packet, CodecKind kind, int64_t now);
    // Who hears the party beside the peer: a recording, a tap, our own ears.
    void overhear(const RtpPacket& packet, CodecKind kind, int64_t now);
    void noise_received(const RtpPacket& packet, int64_t now);
    void packet_received(const RtpPacket& packet, int64_t now);
    void secured_received(uint8_t* data, size_t size, const SocketAddress& from, int64_t now);
    void check_received(uint8_t* data, size_t size, const SocketAddress& from, int64_t now);
    void handshake_received(const uint8_t* data, size_t size, const SocketAddress& from, int64_t now);
    // An authentic packet came from there.
    void follow(const SocketAddress& from);
    void supervise_consent(int64_t now);
    // More comes than any phone sends: what is beyond the cap is thrown away unread.
    bool flooded(int64_t now);
    void report_received(const uint8_t* data, size_t size, const SocketAddress& from, int64_t now, bool multiplexed);
    void event_received(const RtpPacket& packet, int64_t now);
    // A packet is kept from the peer, who shall not count it as lost.
    void skip_at_peer();
    std::optional<CodecKind> codec_of(uint8_t payload_type) const;
    uint64_t source() const { return static_cast<uint64_t>(id) << 32 | reception_.epoch(); }
    // Whether a peer's packets may go out: nothing of our own is being sent.
    bool open_for_peer() const { return sending() && !busy(); }
    bool busy() const { return playlist_.has_value() || digits_out_.busy(); }
    // What the peer says is decoded and coded anew.
    bool translating() const { return peer_ != nullptr && peer_->hearing_ && !peer_->hearing_->idle(); }
    // Whether the peer's packets can be had without that: byte by byte at most.
    bool alike(CodecKind kind) const { return kind == settings_.codec || (law_of(kind) && law_of(settings_.codec)); }
    void translate(const RtpPacket& packet, CodecKind kind, int64_t now);
    // Sends the peer a digit of this party anew.
    void repeat_at_peer(Digit digit);
    void forget_sound();
    void send_translated_step(int64_t now);
    // A frame of 20 ms at `rate` hertz, in the party's codec.
    void send_frame(const int16_t* samples, int32_t rate, int64_t now);
    // Sends what is ready in packets of the party's length; with `all` also what is not enough for one.
    void send_packed(int64_t now, bool all);
    // The next sound of our own is another one.
    void break_off();
    int32_t clock() const { return rates_of(settings_.codec).clock; }
    bool sending() const { return settings_.send && reachable(); }
    // Whether the party told, or showed, where it is.
    bool reachable() const { return !settings_.remote.empty() || (security_ && security_->checked && !latch_.target().empty()); }
    void relay(uint64_t source, const RtpPacket& packet, uint8_t payload_type, int64_t now);
    void send_digit_step(int64_t now);
    // For a party that takes no telephone events: a step of the digit as a tone, or of the pause after it.
    void send_tone_step(const std::optional<EventPacket>& packet, int64_t now);
    void send_sound_step(int64_t now);
    void hear(const RtpPacket& packet, CodecKind kind, int64_t now);
    void send_own(const RtpHeader& header, const uint8_t* payload, size_t size);
    void transmit(uint8_t* data, size_t size);
    void report(Digit digit);
    void send_report(int64_t now);

    Transport& transport_;
    EventQueue& events_;
    bool configured_ = false;
    EndpointSettings settings_;
    // Null: in the clear.
    std::unique_ptr<EndpointSecurity> security_;
    SourceLatch latch_;
    Reception reception_;
    SendStream stream_;
    DigitReceiver digits_in_;
    DigitSender digits_out_;
    uint32_t digit_timestamp_ = 0;
    // Of the tone that stands for a digit, in samples.
    uint32_t tone_position_ = 0;
    // Null in a plain call.
    std::unique_ptr<Ears> ears_;
    std::optional<Playlist> playlist_;
    uint32_t playback_ = 0;
    std::shared_ptr<Tap> tap_;
    std::shared_ptr<Track> track_;
    uint32_t recording_ = 0;
    std::shared_ptr<Track> heard_track_;
    uint32_t heard_recording_ = 0;
    // Of the frames that went into it, in samples.
    uint32_t heard_timestamp_ = 0;
    Endpoint* peer_ = nullptr;
    Seat* seat_ = nullptr;
    // What the party says as sound, while somebody needs it, and what it is sent as sound.
    std::unique_ptr<Hearing> hearing_;
    std::unique_ptr<Speaking> speaking_;
    // Datagrams in the present second.
    int64_t second_ = 0;
    uint32_t in_second_ = 0;
    // Silence counts from here.
    int64_t alive_ = 0;
    int64_t configured_at_ = 0;
    bool timed_out_ = false;
    SocketAddress control_target_;
    bool multiplexed_ = false;
    bool always_multiplexed_ = false;
    uint32_t last_report_ = 0;
    int64_t last_report_time_ = 0;
    int64_t next_report_;
    uint64_t sent_at_report_ = 0;
    // Packets of our own making, until the transport has taken them. They are taken in turn: a tick sends at most two, the halves of
    // 20 ms that the party wants in packets of 10.
    // Null until there is one: a call that is merely passed on never has any, and they are most of an endpoint.
    using OwnPacket = std::array<uint8_t, kRtpHeader + kLargestOwnPayload + kSrtpGrowth>;
    std::unique_ptr<std::array<OwnPacket, 2>> own_packets_;
    bool second_packet_ = false;
    // Null while packets are as long as frames.
    std::unique_ptr<Packing> packing_;
    uint8_t own_report_[kLargestReport + kSrtpGrowth];
};

}  // namespace ramal
