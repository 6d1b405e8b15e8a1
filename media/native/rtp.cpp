#include "rtp.hpp"

#include <algorithm>
#include <cmath>

#include "bytes.hpp"
#include "clock.hpp"

namespace ramal {

std::optional<RtpPacket> parse_rtp(uint8_t* data, size_t size) {
    if (size < kRtpHeader || data[0] >> 6 != 2) return std::nullopt;
    size_t start = kRtpHeader + 4u * (data[0] & 0x0F);
    if (data[0] & 0x10) {
        if (size < start + 4) return std::nullopt;
        start += 4 + 4u * get16(data + start + 2);
    }
    if (size < start) return std::nullopt;
    size_t end = size;
    if (data[0] & 0x20) {
        const uint8_t padding = data[size - 1];
        if (padding == 0 || padding > size - start) return std::nullopt;
        end -= padding;
    }
    return RtpPacket{(data[1] & 0x80) != 0, static_cast<uint8_t>(data[1] & 0x7F), get16(data + 2), get32(data + 4),
                     get32(data + 8), data + start, end - start};
}

void write_rtp(uint8_t* at, const RtpHeader& header) {
    at[0] = 0x80;
    at[1] = static_cast<uint8_t>((header.marker ? 0x80 : 0) | header.payload_type);
    put16(at + 2, header.sequence);
    put32(at + 4, header.timestamp);
    put32(at + 8, header.ssrc);
}

void Reception::restart(uint32_t ssrc, uint16_t sequence) {
    if (started_) {
        earlier_lost_ = balance();
        earlier_expected_ += expected();
    }
    started_ = true;
    timed_ = false;
    ssrc_ = ssrc;
    ++epoch_;
    cycles_ = 0;
    base_ = highest_ = sequence;
    bad_sequence_ = 0x1'0001;
    received_ = 0;
}

bool Reception::packet(uint32_t ssrc, uint16_t sequence) {
    constexpr uint16_t kMaxDropout = 3000;
    constexpr uint16_t kMaxMisorder = 100;
    if (!started_ || ssrc != ssrc_) restart(ssrc, sequence);
    const auto delta = static_cast<uint16_t>(sequence - highest_);
    if (delta < kMaxDropout) {
        if (sequence < highest_) cycles_ += 0x1'0000;
        highest_ = sequence;
    } else if (delta <= 0x1'0000 - kMaxMisorder) {
        // A second packet in a row after a jump means that the sender began anew.
        if (sequence != bad_sequence_) {
            bad_sequence_ = static_cast<uint16_t>(sequence + 1);
            return false;
        }
        restart(ssrc, sequence);
    }
    ++received_;
    return true;
}

void Reception::timing(uint32_t timestamp, int64_t now) {
    const int64_t transit = static_cast<int32_t>(static_cast<uint32_t>(samples_in(now, clock_)) - timestamp);
    if (timed_) {
        const auto difference = static_cast<double>(std::abs(static_cast<int32_t>(transit - last_transit_)));
        jitter_ += (difference - jitter_) / 16.0;
    }
    timed_ = true;
    last_transit_ = transit;
}

uint64_t Reception::lost() const { return started_ ? static_cast<uint64_t>(std::max<int64_t>(0, balance())) : 0; }

uint8_t Reception::fraction_lost() {
    const int64_t total = earlier_expected_ + expected();
    const int64_t expected_now = total - reported_expected_;
    const int64_t lost_now = balance() - reported_lost_;
    reported_expected_ = total;
    reported_lost_ = balance();
    if (expected_now <= 0 || lost_now <= 0) return 0;
    return static_cast<uint8_t>(std::min<int64_t>(255, lost_now * 256 / expected_now));
}

void SourceLatch::expect(const SocketAddress& signalled, bool latching, const SocketAddress& beside) {
    previous_ = signalled == signalled_ ? target() : SocketAddress{};
    signalled_ = signalled;
    beside_ = beside;
    locked_ = SocketAddress{};
    // Nothing is lost on the way out while the source proves itself again.
    if (latching && !previous_.empty()) locked_ = previous_;
    latching_ = latching;
    candidates_.reset();
}

bool SourceLatch::offer(const SocketAddress& from, uint32_t ssrc, uint16_t sequence) {
    if (!locked_.empty() && from == locked_) {
        previous_ = SocketAddress{};
        return true;
    }
    if (from == signalled_) {
        locked_ = from;
        previous_ = SocketAddress{};
        return true;
    }
    // A lock that was carried over gives way to a source that proves itself before the old one is heard again.
    const bool held = !locked_.empty() && previous_.empty();
    if (!latching_ || held || !may_be_the_party(from) || !probation(from, ssrc, sequence)) return false;
    locked_ = from;
    previous_ = SocketAddress{};
    return true;
}

void SourceLatch::follow(const SocketAddress& from) {
    locked_ = from;
    previous_ = SocketAddress{};
}

bool SourceLatch::may_be_the_party(const SocketAddress& from) const {
    return beside_.empty() || from.same_host(beside_) || (!signalled_.empty() && from.same_host(signalled_));
}

bool SourceLatch::probation(const SocketAddress& from, uint32_t ssrc, uint16_t sequence) {
    if (!candidates_) candidates_ = std::make_unique<std::array<Candidate, 4>>();
    auto found = std::find_if(candidates_->begin(), candidates_->end(), [&](const Candidate& c) { return c.in_a_row > 0 && c.from == from; });
    if (found == candidates_->end()) {
        found = candidates_->begin() + static_cast<std::ptrdiff_t>(next_candidate_);
        next_candidate_ = (next_candidate_ + 1) % candidates_->size();
        *found = Candidate{from, ssrc, sequence, 1};
        return false;
    }
    const bool follows = found->ssrc == ssrc && sequence == static_cast<uint16_t>(found->sequence + 1);
    found->in_a_row = follows ? found->in_a_row + 1 : 1;
    found->ssrc = ssrc;
    found->sequence = sequence;
    return found->in_a_row >= kProbation;
}

SendStream::SendStream(uint32_t ssrc, uint16_t sequence, uint32_t timestamp, int64_t now)
    : ssrc_(ssrc), highest_sequence_(sequence), highest_timestamp_(timestamp), timestamp_time_(now) {}

uint32_t SendStream::timestamp_at(int64_t now) const {
    return highest_timestamp_ + static_cast<uint32_t>(samples_in(now - timestamp_time_, clock_));
}

void SendStream::set_clock(int32_t clock, int64_t now) {
    if (clock == clock_) return;
    advance(timestamp_at(now), now);
    clock_ = clock;
    break_off();
}

void SendStream::advance(uint32_t timestamp, int64_t now) {
    highest_timestamp_ = timestamp;
    timestamp_time_ = now;
}

std::optional<RtpHeader> SendStream::relay(uint64_t source, const RtpPacket& packet, uint8_t payload_type, int64_t now) {
    bool marker = packet.marker;
    if (source != source_) {
        source_ = source;
        first_sequence_ = packet.sequence;
        sequence_offset_ = static_cast<uint16_t>(highest_sequence_ + 1 - packet.sequence);
        const uint32_t due = timestamp_at(now);
        const uint32_t least = highest_timestamp_ + static_cast<uint32_t>(clock_ / kFramesInSecond);
        timestamp_offset_ = (static_cast<int32_t>(due - least) < 0 ? least : due) - packet.timestamp;
        marker = true;
    } else if (static_cast<int16_t>(packet.sequence - first_sequence_) < 0) {
        // Half the sequence space later the first packet is no measure any more.
        if (static_cast<uint16_t>(packet.sequence - first_sequence_) > 0x1'0000 - 100) return std::nullopt;
        first_sequence_ = packet.sequence;
    }
    const auto sequence = static_cast<uint16_t>(packet.sequence + sequence_offset_);
    const uint32_t timestamp = packet.timestamp + timestamp_offset_;
    if (static_cast<int16_t>(sequence - highest_sequence_) > 0) highest_sequence_ = sequence;
    if (static_cast<int32_t>(timestamp - highest_timestamp_) > 0) advance(timestamp, now);
    return RtpHeader{marker, payload_type, sequence, timestamp, ssrc_};
}

void SendStream::skip(uint64_t source) {
    if (source == source_) --sequence_offset_;
}

RtpHeader SendStream::own(uint8_t payload_type, uint32_t samples, int64_t now) {
    const bool first = source_ != kOwn;
    source_ = kOwn;
    uint32_t timestamp = highest_timestamp_ + samples;
    if (first && static_cast<int32_t>(timestamp_at(now) - timestamp) > 0) timestamp = timestamp_at(now);
    advance(timestamp, now);
    return RtpHeader{first, payload_type, ++highest_sequence_, timestamp, ssrc_};
}

RtpHeader SendStream::event(uint8_t payload_type, uint32_t timestamp, bool marker) {
    source_ = 0;
    return RtpHeader{marker, payload_type, ++highest_sequence_, timestamp, ssrc_};
}

}  // namespace ramal
