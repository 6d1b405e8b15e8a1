// The endpoint's RTCP: reports sent each five seconds, and what the party's reports tell.
#include <algorithm>

#include "clock.hpp"
#include "endpoint.hpp"

namespace ramal {
namespace {

// The middle 32 bits of an NTP time: seconds in 16.16 (RFC 3550 section 4).
uint32_t middle(uint64_t ntp) { return static_cast<uint32_t>(ntp >> 16); }

uint32_t to_16_16(int64_t nanoseconds) { return static_cast<uint32_t>((static_cast<uint64_t>(nanoseconds) << 16) / kSecond); }

}  // namespace

void Endpoint::send_report(int64_t now) {
    next_report_ = now + kReportInterval;
    const SocketAddress target = multiplexed_ ? latch_.target() : control_target_;
    if (target.empty()) return;
    std::optional<SenderInfo> sender;
    if (counters.packets_sent.get() != sent_at_report_) {
        sender = SenderInfo{ntp_now(), stream_.timestamp_at(now), static_cast<uint32_t>(counters.packets_sent.get()),
                            static_cast<uint32_t>(counters.octets_sent.get())};
    }
    sent_at_report_ = counters.packets_sent.get();
    std::optional<ReportBlock> block;
    if (reception_.started()) {
        const uint32_t since = last_report_time_ == 0 ? 0 : to_16_16(now - last_report_time_);
        block = ReportBlock{reception_.ssrc(), reception_.fraction_lost(), static_cast<int64_t>(reception_.lost()),
                            reception_.extended_highest(), reception_.jitter_samples(), last_report_, since};
    }
    const size_t size = write_report(own_report_, stream_.ssrc(), sender, block);
    const auto wire_size = security_ ? security_->protect_rtcp(own_report_, size) : size;
    if (wire_size) transport_.send(multiplexed_ ? pair->rtp : pair->rtcp, target, own_report_, *wire_size);
}

void Endpoint::rtcp_received(uint8_t* data, size_t size, const SocketAddress& from, int64_t now, bool multiplexed) {
    if (!multiplexed && flooded(now)) return;
    if (!configured_) return counters.packets_rejected.add(1);
    if (security_) {
        const auto opened = security_->open_rtcp(data, size);
        if (!opened) return counters.packets_rejected.add(1);
        return report_received(data, *opened, from, now, multiplexed);
    }
    if (!from.same_host(latch_.target())) return counters.packets_rejected.add(1);
    if (multiplexed && !(from == latch_.target())) return counters.packets_rejected.add(1);
    report_received(data, size, from, now, multiplexed);
}

void Endpoint::report_received(const uint8_t* data, size_t size, const SocketAddress& from, int64_t now, bool multiplexed) {
    const auto report = parse_report(data, size, stream_.ssrc());
    if (!report) return;
    multiplexed_ = multiplexed;
    if (!multiplexed) control_target_ = from;
    alive_ = now;
    timed_out_ = false;
    if (report->sent) {
        last_report_ = *report->sent;
        last_report_time_ = now;
    }
    if (!report->block) return;
    const ReportBlock& block = *report->block;
    counters.reports.add(1);
    counters.reported_lost.set(std::max<int64_t>(0, block.lost));
    counters.reported_jitter_ms.set(block.jitter * 1000.0 / clock());
    if (block.last_report == 0) return;
    const auto round_trip = static_cast<int32_t>(middle(ntp_now()) - block.last_report - block.since_last_report);
    // A clock that was set, or a report that lies.
    if (round_trip < 0 || round_trip > 60 << 16) return;
    counters.round_trip_ms.set(round_trip * 1000.0 / 65536);
}

}  // namespace ramal
