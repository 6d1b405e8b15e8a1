// Payloads of 20 ms, put together or divided into packets as long as a party wants them (`ptime`, RFC 3551 section 4.2).
//
// For codecs whose bytes are of equal length in time: all of ours but Opus. Nothing is allocated after it is made.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "codec.hpp"

namespace ramal {

constexpr int kFrameMs = 1000 / kFramesInSecond;
constexpr int kShortestPacketMs = 10;
constexpr int kLongestOwnPacketMs = 60;
// A packet of ours passes networks that take no more than 1500 bytes, with all that is put around it.
constexpr size_t kLargestOwnPayload = 1280;

class Packing {
public:
    explicit Packing(int packet_ms) : packet_ms(packet_ms) {}

    // What has waited this long belongs to another sound.
    static constexpr int64_t kStale = 200 * kMillisecond;

    void add(const uint8_t* payload, size_t size, int64_t now);
    // The next packet's payload, valid until the next `add`; empty while there is not enough for one. With `all` the rest, too.
    std::span<const uint8_t> next(bool all = false);
    // How long a packet is, in milliseconds.
    int length_ms() const { return length_ms_; }
    void forget() { begin_ = end_ = 0; }

    const int packet_ms;

private:
    std::array<uint8_t, kLargestOwnPayload + 2 * kLargestPayload> bytes_;
    size_t begin_ = 0;
    size_t end_ = 0;
    size_t packet_ = 0;
    int length_ms_ = kFrameMs;
    int64_t since_ = 0;
};

}  // namespace ramal
