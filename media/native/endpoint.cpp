#include "endpoint.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "clock.hpp"

namespace ramal {
namespace {

SendStream new_stream(int64_t now) {
    struct {
        uint32_t ssrc, timestamp;
        uint16_t sequence;
    } start;
    // RFC 3550 section 5.1: first sequence and timestamp are unpredictable. Half the range keeps off the wrap in most calls.
    if (getentropy(&start, sizeof start) != 0) throw std::system_error(errno, std::generic_category(), "getentropy");
    return SendStream(start.ssrc, start.sequence & 0x7FFF, start.timestamp & 0x7FFF'FFFF, now);
}

}  // namespace

Endpoint::Endpoint(uint32_t id, PortPair* pair, Transport& transport, EventQueue& events, int64_t now)
    : id(id),
      port(pair->port),
      pair(pair),
      transport_(transport),
      events_(events),
      stream_(new_stream(now)),
      next_report_(now + kReportInterval) {
    counters.round_trip_ms.set(-1);
}

void Endpoint::configure(const EndpointSettings& settings, int64_t now) {
    if (!configured_ || !(settings.remote == settings_.remote)) {
        control_target_ = settings.remote.empty() ? SocketAddress{} : settings.remote.with_port(static_cast<uint16_t>(settings.remote.port() + 1));
        multiplexed_ = always_multiplexed_;
    }
    if (settings.codec != settings_.codec) {
        forget_sound();
        speaking_.reset();
        reception_.set_clock(rates_of(settings.codec).clock);
        stream_.set_clock(rates_of(settings.codec).clock, now);
    }
    settings_ = settings;
    configured_ = true;
    latch_.expect(settings.remote, settings.latching, settings.beside);
    break_off();
    alive_ = configured_at_ = now;
    timed_out_ = false;
}

void Endpoint::pack(int packet_ms) {
    const int wanted = std::clamp(packet_ms, kShortestPacketMs, kLongestOwnPacketMs);
    if (wanted == (packing_ ? packing_->packet_ms : kFrameMs)) return;
    packing_ = wanted == kFrameMs ? nullptr : std::make_unique<Packing>(wanted);
}

void Endpoint::break_off() {
    stream_.break_off();
    if (packing_) packing_->forget();
}

void Endpoint::set_peer(Endpoint* peer) {
    forget_sound();
    peer_ = peer;
    break_off();
}

void Endpoint::sit(Seat* seat) {
    forget_sound();
    seat_ = seat;
    break_off();
}

void Endpoint::play(uint32_t playback, Playlist playlist) {
    stop_play();
    playback_ = playback;
    playlist_ = std::move(playlist);
    break_off();
}

void Endpoint::stop_play() {
    if (!playlist_) return;
    playlist_.reset();
    break_off();
    events_.push({EventKind::playback_ended, id, playback_, 0});
}

void Endpoint::listen(const EarSettings& settings) {
    if (!settings.any()) {
        ears_.reset();
        return;
    }
    if (!ears_) ears_ = std::make_unique<Ears>(id, events_);
    ears_->set(settings);
}

void Endpoint::tap(std::shared_ptr<Tap> tap) {
    if (tap_) tap_->end();
    tap_ = std::move(tap);
}

void Endpoint::record_to(std::shared_ptr<Track> track, uint32_t recording) {
    if (track_) track_->detach();
    track_ = std::move(track);
    recording_ = recording;
}

void Endpoint::record_heard_to(std::shared_ptr<Track> track, uint32_t recording) {
    if (heard_track_) heard_track_->detach();
    heard_track_ = std::move(track);
    heard_recording_ = recording;
}

void Endpoint::retire() {
    stop_play();
    record_heard_to(nullptr, 0);
    tap(nullptr);
    record_to(nullptr, 0);
    configured_ = false;
    closed = true;
}

// The static types of RFC 3551 are understood even where they were not agreed: some phones switch without asking.
std::optional<CodecKind> Endpoint::codec_of(uint8_t payload_type) const {
    if (payload_type == settings_.payload_type) return settings_.codec;
    if (payload_type == 0) return CodecKind::pcmu;
    if (payload_type == 8) return CodecKind::pcma;
    return std::nullopt;
}

bool Endpoint::flooded(int64_t now) {
    // Twenty times what a phone sends.
    constexpr uint32_t kMost = 1000;
    if (now - second_ >= kSecond) {
        second_ = now;
        in_second_ = 0;
    }
    if (++in_second_ <= kMost) return false;
    counters.packets_rejected.add(1);
    return true;
}

void Endpoint::rtp_received(uint8_t* data, size_t size, const SocketAddress& from, int64_t now) {
    if (flooded(now)) return;
    if (security_) return secured_received(data, size, from, now);
    if (is_rtcp(data, size)) return rtcp_received(data, size, from, now, true);
    if (!configured_ || !settings_.receive) return;
    const auto packet = parse_rtp(data, size);
    if (!packet || !latch_.offer(from, packet->ssrc, packet->sequence)) return counters.packets_rejected.add(1);
    packet_received(*packet, now);
}

void Endpoint::packet_received(const RtpPacket& packet, int64_t now) {
    const uint32_t epoch = reception_.epoch();
    if (!reception_.packet(packet.ssrc, packet.sequence)) return;
    if (reception_.epoch() != epoch) digits_in_.reset();
    counters.packets_received.add(1);
    counters.packets_lost.set(reception_.lost());
    counters.last_packet.set(now);
    if (counters.first_packet.get() == 0) {
        counters.first_packet.set(now);
        events_.push({EventKind::first_packet, id});
    }
    alive_ = now;
    timed_out_ = false;
    if (packet.payload_type == settings_.telephone_event) {
        event_received(packet, now);
    } else if (const auto kind = codec_of(packet.payload_type)) {
        audio_received(packet, *kind, now);
    } else if (packet.payload_type == kComfortNoisePayload) {
        noise_received(packet, now);
    } else {
        skip_at_peer();
    }
}

void Endpoint::skip_at_peer() {
    if (peer_ != nullptr) peer_->stream_.skip(source());
}

void Endpoint::audio_received(const RtpPacket& packet, CodecKind kind, int64_t now) {
    reception_.timing(packet.timestamp, now);
    counters.jitter_ms.set(reception_.jitter_ms());
    if (decoded_here(kind)) {
        overhear(packet, kind, now);
        if (seat_ != nullptr) return hear(packet, kind, now);
    }
    if (peer_ == nullptr || !peer_->open_for_peer()) return;
    if (kind != peer_->settings_.codec) {
        if (!decoded_here(kind) || !decoded_here(peer_->settings_.codec)) return skip_at_peer();
        if (!peer_->alike(kind)) return translate(packet, kind, now);
        transcode(*law_of(kind), packet.payload, packet.size);
    }
    peer_->relay(source(), packet, peer_->settings_.payload_type, now);
}

void Endpoint::overhear(const RtpPacket& packet, CodecKind kind, int64_t now) {
    if (track_) track_->write(kind, packet.payload, packet.size, packet.timestamp, source(), now);
    if (ears_) {
        ears_->packet(kind, packet);
        if (const auto law = law_of(kind); law && ears_->mutes()) std::fill_n(packet.payload, packet.size, silence_code(*law));
    }
    if (tap_) tap_->packet(kind, packet, source(), now);
}

void Endpoint::event_received(const RtpPacket& packet, int64_t now) {
    const FoundDigits found = digits_in_.packet(packet.timestamp, packet.payload, packet.size, now);
    for (size_t i = 0; i < found.count; ++i) report(found.digits[i]);
    if (peer_ == nullptr || !peer_->open_for_peer()) return;
    if (!settings_.relay_digits || peer_->settings_.telephone_event < 0) return skip_at_peer();
    if (!peer_->alike(settings_.codec)) {
        for (size_t i = 0; i < found.count; ++i) repeat_at_peer(found.digits[i]);
        return;
    }
    peer_->relay(source(), packet, static_cast<uint8_t>(peer_->settings_.telephone_event), now);
}

void Endpoint::report(Digit digit) {
    events_.push({EventKind::digit_received, id, static_cast<uint32_t>(digit.symbol), digit.duration * 1000.0 / clock()});
}

void Endpoint::expire_digit(int64_t now) {
    if (const auto digit = digits_in_.expire(now)) report(*digit);
}

void Endpoint::relay(uint64_t source, const RtpPacket& packet, uint8_t payload_type, int64_t now) {
    const auto header = stream_.relay(source, packet, payload_type, now);
    if (!header) return;
    uint8_t* start = packet.payload - kRtpHeader;
    write_rtp(start, *header);
    transmit(start, kRtpHeader + packet.size);
}

void Endpoint::transmit(uint8_t* data, size_t size) {
    const auto wire_size = security_ ? security_->protect_rtp(data, size) : size;
    if (!wire_size) return;
    transport_.send(pair->rtp, latch_.target(), data, *wire_size);
    counters.packets_sent.add(1);
    counters.octets_sent.add(size - kRtpHeader);
}

void Endpoint::tick(int64_t now) {
    if (tap_) tap_->step();
    if (digits_out_.busy()) {
        send_digit_step(now);
        if (!digits_out_.busy()) break_off();
    } else if (playlist_) {
        send_sound_step(now);
    } else if (translating()) {
        send_translated_step(now);
    }
}

void Endpoint::send_digit_step(int64_t now) {
    const auto packet = digits_out_.step(clock());
    if (!sending()) return;
    if (settings_.telephone_event < 0) return send_tone_step(packet, now);
    if (!packet) return;
    if (packet->first) digit_timestamp_ = stream_.timestamp_at(now);
    const auto payload_type = static_cast<uint8_t>(settings_.telephone_event);
    send_own(stream_.event(payload_type, digit_timestamp_, packet->first), packet->payload, sizeof packet->payload);
}

void Endpoint::send_tone_step(const std::optional<EventPacket>& packet, int64_t now) {
    int16_t samples[kFrameSamples] = {};
    if (packet && packet->first) tone_position_ = 0;
    // The end is told three times, but sounds once.
    if (packet && !packet->repeated) write_tone(packet->payload[0], tone_position_, samples, kFrameSamples);
    send_frame(samples, kSampleRate, now);
}

void Endpoint::send_sound_step(int64_t now) {
    int16_t samples[kFrameSamples];
    if (!playlist_->fill(samples, kFrameSamples)) {
        playlist_.reset();
        if (packing_ && sending()) send_packed(now, true);
        break_off();
        events_.push({EventKind::playback_ended, id, playback_, 1});
        return;
    }
    if (sending()) send_frame(samples, kSampleRate, now);
}

void Endpoint::send_own(const RtpHeader& header, const uint8_t* payload, size_t size) {
    if (!own_packets_) own_packets_ = std::make_unique_for_overwrite<std::array<OwnPacket, 2>>();
    uint8_t* packet = (*own_packets_)[second_packet_].data();
    second_packet_ = !second_packet_;
    write_rtp(packet, header);
    std::copy_n(payload, size, packet + kRtpHeader);
    transmit(packet, kRtpHeader + size);
}

void Endpoint::supervise(int64_t now, int64_t timeout) {
    if (!configured_) return;
    if (now >= next_report_) send_report(now);
    if (security_) supervise_consent(now);
    if (timeout == 0 || timed_out_ || !settings_.receive || !reachable() || now - alive_ < timeout) return;
    timed_out_ = true;
    events_.push({EventKind::media_timeout, id, 0, static_cast<double>(now - alive_) / kSecond});
}

}  // namespace ramal
