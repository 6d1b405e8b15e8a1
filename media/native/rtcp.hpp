// RTCP (RFC 3550 section 6): sender and receiver reports, built and read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

namespace ramal {

constexpr size_t kLargestReport = 128;
constexpr int64_t kReportInterval = 5'000'000'000;

// What we know of the stream we receive (RFC 3550 section 6.4.1, a report block).
struct ReportBlock {
    uint32_t ssrc;
    uint8_t fraction_lost;
    int64_t lost;
    uint32_t extended_highest;
    uint32_t jitter;
    uint32_t last_report;
    uint32_t since_last_report;
};

struct SenderInfo {
    uint64_t ntp;
    uint32_t timestamp;
    uint32_t packets;
    uint32_t octets;
};

// Writes SR (with `sender`) or RR, and the canonical name that every compound must carry; returns the size.
size_t write_report(uint8_t* at, uint32_t ssrc, const std::optional<SenderInfo>& sender, const std::optional<ReportBlock>& block);

struct ReceivedReport {
    uint32_t ssrc;
    // The middle 32 bits of the NTP time, where it was a sender report.
    std::optional<uint32_t> sent;
    // The block about our stream, where there is one.
    std::optional<ReportBlock> block;
};

// Reads the first SR or RR of a compound; nothing when it is malformed (RFC 3550 A.2).
std::optional<ReceivedReport> parse_report(const uint8_t* data, size_t size, uint32_t our_ssrc);

// True when a datagram on an RTP port is RTCP (RFC 5761 section 4).
inline bool is_rtcp(const uint8_t* data, size_t size) { return size >= 8 && data[0] >> 6 == 2 && data[1] >= 192 && data[1] <= 223; }

}  // namespace ramal
