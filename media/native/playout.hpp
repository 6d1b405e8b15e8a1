// What a party says, put in order and handed out at an even pace: where voices are mixed, packets have to wait for each other.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "clock.hpp"

namespace ramal {

// Samples at 8 kHz by their timestamps. The delay adapts itself: it grows when a packet comes too late, and shrinks when for some time
// none came late.
class Playout {
public:
    // `epoch` changes when timestamps begin anew.
    void put(const int16_t* samples, size_t count, uint32_t timestamp, uint64_t epoch);
    // The next kFrameSamples; what did not come is silence. False: there was nothing at all.
    bool take(int16_t* samples);

private:
    static constexpr size_t kRing = 4096;
    // Hand-outs after which the delay may shrink: two seconds.
    static constexpr int kWindow = 100;
    // The delay at the beginning, and what stays ready however even the packets come.
    static constexpr int64_t kAhead = 2 * kFrameSamples;
    static constexpr int64_t kSpare = 2 * kFrameSamples;
    static constexpr int64_t kLongest = static_cast<int64_t>(kRing) - 8 * kFrameSamples;

    void begin(uint32_t timestamp, uint64_t epoch, int64_t at);
    void clear(int64_t from, int64_t to);
    void adapt();

    std::array<int16_t, kRing> ring_{};
    bool started_ = false;
    uint64_t epoch_ = 0;
    uint32_t timestamp_ = 0;
    // Places on one time line of samples: of the last packet, of the end of all packets, and of what is handed out next.
    int64_t position_ = 0;
    int64_t end_ = 0;
    int64_t next_ = 0;
    // The least that lay ready in this window.
    int64_t least_ready_ = kLongest;
    int taken_ = 0;
};

}  // namespace ramal
