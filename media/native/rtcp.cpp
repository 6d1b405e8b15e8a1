#include "rtcp.hpp"

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "bytes.hpp"

namespace ramal {
namespace {

constexpr uint8_t kSenderReport = 200;
constexpr uint8_t kReceiverReport = 201;
constexpr uint8_t kSourceDescription = 202;

size_t write_block(uint8_t* at, const ReportBlock& block) {
    put32(at, block.ssrc);
    const auto lost = static_cast<uint32_t>(std::clamp<int64_t>(block.lost, -0x80'0000, 0x7F'FFFF)) & 0xFF'FFFF;
    put32(at + 4, static_cast<uint32_t>(block.fraction_lost) << 24 | lost);
    put32(at + 8, block.extended_highest);
    put32(at + 12, block.jitter);
    put32(at + 16, block.last_report);
    put32(at + 20, block.since_last_report);
    return 24;
}

// A name of no meaning but its own: nothing of the call is told.
size_t write_name(uint8_t* at, uint32_t ssrc) {
    char name[9];
    std::snprintf(name, sizeof name, "%08x", ssrc);
    std::memset(at, 0, 20);
    at[0] = 0x81;
    at[1] = kSourceDescription;
    put16(at + 2, 4);
    put32(at + 4, ssrc);
    at[8] = 1;
    at[9] = 8;
    std::memcpy(at + 10, name, 8);
    return 20;
}

ReportBlock read_block(const uint8_t* at) {
    int64_t lost = get32(at + 4) & 0xFF'FFFF;
    if (lost & 0x80'0000) lost -= 0x100'0000;
    return {get32(at), at[4], lost, get32(at + 8), get32(at + 12), get32(at + 16), get32(at + 20)};
}

}  // namespace

size_t write_report(uint8_t* at, uint32_t ssrc, const std::optional<SenderInfo>& sender, const std::optional<ReportBlock>& block) {
    size_t size = 8;
    at[0] = static_cast<uint8_t>(0x80 | (block ? 1 : 0));
    at[1] = sender ? kSenderReport : kReceiverReport;
    put32(at + 4, ssrc);
    if (sender) {
        put32(at + 8, static_cast<uint32_t>(sender->ntp >> 32));
        put32(at + 12, static_cast<uint32_t>(sender->ntp));
        put32(at + 16, sender->timestamp);
        put32(at + 20, sender->packets);
        put32(at + 24, sender->octets);
        size += 20;
    }
    if (block) size += write_block(at + size, *block);
    put16(at + 2, static_cast<uint16_t>(size / 4 - 1));
    return size + write_name(at + size, ssrc);
}

std::optional<ReceivedReport> parse_report(const uint8_t* data, size_t size, uint32_t our_ssrc) {
    if (size < 8 || data[0] >> 6 != 2 || (data[1] != kSenderReport && data[1] != kReceiverReport)) return std::nullopt;
    const size_t length = 4u * (get16(data + 2) + 1u);
    const bool sender = data[1] == kSenderReport;
    const size_t blocks = data[0] & 0x1F;
    const size_t first = sender ? 28 : 8;
    if (length > size || length < first + 24 * blocks) return std::nullopt;
    ReceivedReport report{get32(data + 4), std::nullopt, std::nullopt};
    if (sender) report.sent = get32(data + 8) << 16 | get32(data + 12) >> 16;
    for (size_t i = 0; i < blocks; ++i) {
        const ReportBlock block = read_block(data + first + 24 * i);
        if (block.ssrc == our_ssrc) report.block = block;
    }
    return report;
}

}  // namespace ramal
