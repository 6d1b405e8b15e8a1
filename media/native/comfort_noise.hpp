// Comfort noise (RFC 3389): what the far end's silence sounds like while it sends none.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace ramal {

// The static payload type, with a clock of 8 kHz.
constexpr uint8_t kComfortNoisePayload = 13;

class ComfortNoise {
public:
    // Takes a payload: the level in -dBov, then reflection coefficients, if any. False: it is malformed.
    bool describe(const uint8_t* payload, size_t size);
    void fill(int16_t* samples, size_t count);

private:
    static constexpr size_t kHighestOrder = 12;
    float white();

    uint32_t random_ = 0x2F6E'2B1D;
    float level_ = 0;
    size_t order_ = 0;
    std::array<float, kHighestOrder> reflections_{};
    // The backward errors of the lattice.
    std::array<float, kHighestOrder + 1> backward_{};
};

}  // namespace ramal
