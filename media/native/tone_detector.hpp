// Keys as tones in the voice (ITU-T Q.23, Q.24): for lines that have nothing else.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "dtmf.hpp"

namespace ramal {

// Takes samples at 8 kHz in whatever pieces they come. A digit is told when its tone is over.
class ToneDetector {
public:
    // Returns a digit that is over. A piece longer than a block may end several; the last one is told then.
    std::optional<Digit> samples(const int16_t* samples, size_t count);
    // A tone sounds now, or may be beginning.
    bool sounding() const { return current_ >= 0 || candidate_ >= 0; }

private:
    static constexpr size_t kFrequencies = 8;
    // 12.75 ms: two in a row are less than the 40 ms that the shortest tone lasts.
    static constexpr size_t kBlock = 102;

    struct Filter {
        float before = 0, last = 0;
    };
    std::optional<Digit> block();
    // Which of the 16 the block holds, negative: none.
    int classify() const;

    std::array<Filter, kFrequencies> filters_{};
    float energy_ = 0;
    size_t filled_ = 0;
    int candidate_ = -1;
    int current_ = -1;
    int misses_ = 0;
    uint32_t blocks_ = 0;
};

// One step of a key's tone; `position` counts its samples and goes on.
void write_tone(uint8_t event, uint32_t& position, int16_t* samples, size_t count);

}  // namespace ramal
