// A party's sound for others to read: a ring that the engine's thread fills and one reader empties, without a lock between them.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "hearing.hpp"

namespace ramal {

// 20 ms of sound come in each 20 ms, silence included, so that what is read is as long as what went by. Whoever reads too slowly loses
// sound, which is counted; the call never waits.
class Tap {
public:
    // `rate`: 8000 or 16000 Hz. `seconds` of sound fit, up to a little more.
    Tap(int32_t rate, double seconds);
    Tap(const Tap&) = delete;
    Tap& operator=(const Tap&) = delete;

    // The engine's thread's own.
    void packet(CodecKind kind, const RtpPacket& packet, uint64_t source, int64_t now) { hearing_.packet(kind, packet, source, now); }
    void noise(const RtpPacket& packet, uint64_t source, int64_t now) { hearing_.noise(packet, source, now); }
    void step();
    void end() { ended_.store(true, std::memory_order_release); }

    // The reader's: takes up to `most` samples, oldest first; returns how many.
    size_t read(int16_t* samples, size_t most);
    size_t waiting() const { return static_cast<size_t>(written_.load(std::memory_order_acquire) - read_.load(std::memory_order_relaxed)); }
    // Samples that found no room.
    uint64_t lost() const { return lost_.load(std::memory_order_relaxed); }
    // Nothing more will come.
    bool ended() const { return ended_.load(std::memory_order_acquire); }

    const int32_t rate;

private:
    Hearing hearing_;
    // A power of two.
    std::vector<int16_t> ring_;
    std::atomic<uint64_t> written_{0};
    std::atomic<uint64_t> read_{0};
    std::atomic<uint64_t> lost_{0};
    std::atomic<bool> ended_{false};
};

}  // namespace ramal
