// RTP (RFC 3550): parsing, reception statistics, the choice of whom to listen to, and the one continuous stream towards a receiver.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "address.hpp"

namespace ramal {

constexpr size_t kRtpHeader = 12;
constexpr size_t kLargestPacket = 1500;

struct RtpPacket {
    bool marker;
    uint8_t payload_type;
    uint16_t sequence;
    uint32_t timestamp;
    uint32_t ssrc;
    // Lies in the received datagram, at least kRtpHeader bytes from its start, so that a new header fits before it.
    uint8_t* payload;
    size_t size;
};

// Reads a datagram; nothing when it is not well-formed RTP version 2 (RFC 3550 section 5.1 and A.1).
std::optional<RtpPacket> parse_rtp(uint8_t* data, size_t size);

struct RtpHeader {
    bool marker;
    uint8_t payload_type;
    uint16_t sequence;
    uint32_t timestamp;
    uint32_t ssrc;
};

void write_rtp(uint8_t* at, const RtpHeader& header);

// What RFC 3550 counts of one received stream: A.1 (sequence), A.3 (loss), A.8 (jitter).
class Reception {
public:
    // False: the packet is out of all order and is not to be used.
    bool packet(uint32_t ssrc, uint16_t sequence);
    // Only for packets whose timestamp is their own sampling time.
    void timing(uint32_t timestamp, int64_t now);

    bool started() const { return started_; }
    uint32_t ssrc() const { return ssrc_; }
    // Changes whenever sequence and timestamps begin anew.
    uint32_t epoch() const { return epoch_; }
    uint32_t extended_highest() const { return cycles_ + highest_; }
    // Never below zero: duplicates may outnumber what was lost.
    uint64_t lost() const;
    uint32_t jitter_samples() const { return static_cast<uint32_t>(jitter_); }
    double jitter_ms() const { return jitter_ * 1000 / clock_; }
    // Hertz of the timestamps, 8000 until told.
    void set_clock(int32_t clock) {
        clock_ = clock;
        timed_ = false;
        jitter_ = 0;
    }
    // Loss since the last call, in 1/256; for receiver reports.
    uint8_t fraction_lost();

private:
    void restart(uint32_t ssrc, uint16_t sequence);
    int64_t expected() const { return static_cast<int64_t>(extended_highest()) - base_ + 1; }
    int64_t balance() const { return earlier_lost_ + expected() - received_; }

    bool started_ = false;
    bool timed_ = false;
    uint32_t ssrc_ = 0;
    uint32_t epoch_ = 0;
    uint32_t cycles_ = 0;
    uint16_t highest_ = 0;
    uint16_t base_ = 0;
    uint32_t bad_sequence_ = 0;
    int64_t received_ = 0;
    int64_t earlier_lost_ = 0;
    int64_t earlier_expected_ = 0;
    int64_t reported_expected_ = 0;
    int64_t reported_lost_ = 0;
    int64_t last_transit_ = 0;
    double jitter_ = 0;
    int32_t clock_ = 8000;
};

// Symmetric RTP: decides which source an endpoint listens and answers to.
//
// The address that was signalled is believed at once and always. Another port of its host, or of the host that is given beside it, has to
// send kProbation packets in a row and is then held until the endpoint is configured anew; packets from elsewhere are rejected. Where no
// host is given beside it, any host may prove itself like that.
class SourceLatch {
public:
    static constexpr int kProbation = 4;

    void expect(const SocketAddress& signalled, bool latching, const SocketAddress& beside = {});
    // True when the packet may be used.
    bool offer(const SocketAddress& from, uint32_t ssrc, uint16_t sequence);
    // Holds to a source that proved itself in another way.
    void follow(const SocketAddress& from);
    // Where to send: what was latched, else what was signalled.
    const SocketAddress& target() const { return locked_.empty() ? signalled_ : locked_; }
    bool locked() const { return !locked_.empty(); }

private:
    struct Candidate {
        SocketAddress from;
        uint32_t ssrc = 0;
        uint16_t sequence = 0;
        int in_a_row = 0;
    };
    bool probation(const SocketAddress& from, uint32_t ssrc, uint16_t sequence);
    bool may_be_the_party(const SocketAddress& from) const;

    SocketAddress signalled_;
    // Its host may be the party's, too; empty: any.
    SocketAddress beside_;
    SocketAddress locked_;
    // Believed like the signalled one: where the stream came from before an identical configuration.
    SocketAddress previous_;
    bool latching_ = true;
    // Null until a source other than the signalled one has to prove itself.
    std::unique_ptr<std::array<Candidate, 4>> candidates_;
    size_t next_candidate_ = 0;
};

// The stream an endpoint is sent: one SSRC, sequence without holes of our making, timestamps that follow the clock,
// whatever bridge, prompt or digit the packets come from.
class SendStream {
public:
    SendStream(uint32_t ssrc, uint16_t sequence, uint32_t timestamp, int64_t now);

    // Hertz of the timestamps, 8000 until told; they go on from where they are.
    void set_clock(int32_t clock, int64_t now);
    // The next packet comes from somewhere else.
    void break_off() { source_ = 0; }
    // Maps a relayed packet; nothing when it is older than the present source's beginning. `source` is never 0.
    std::optional<RtpHeader> relay(uint64_t source, const RtpPacket& packet, uint8_t payload_type, int64_t now);
    // A packet of the present source is held back on purpose: the receiver shall not count it as lost.
    void skip(uint64_t source);
    // The next packet of our own making, sampled now.
    RtpHeader own(uint8_t payload_type, uint32_t samples, int64_t now);
    // A packet of an event that began at `timestamp`.
    RtpHeader event(uint8_t payload_type, uint32_t timestamp, bool marker);
    // The timestamp that belongs to `now`.
    uint32_t timestamp_at(int64_t now) const;
    uint32_t ssrc() const { return ssrc_; }

private:
    static constexpr uint64_t kOwn = ~0ULL;
    void advance(uint32_t timestamp, int64_t now);

    uint32_t ssrc_;
    uint16_t highest_sequence_;
    uint32_t highest_timestamp_;
    int64_t timestamp_time_;
    int32_t clock_ = 8000;
    uint64_t source_ = 0;
    uint16_t first_sequence_ = 0;
    uint16_t sequence_offset_ = 0;
    uint32_t timestamp_offset_ = 0;
};

}  // namespace ramal
