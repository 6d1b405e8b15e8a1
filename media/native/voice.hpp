// Whether somebody speaks, frame by frame: the level against the noise that was there before.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ramal {

// Frames are of 20 ms. Speech is what stands well above the quietest of the last seconds.
class VoiceDetector {
public:
    // Takes a frame; tells whether there is voice, up to kHangover frames after its last sign.
    bool frame(const int16_t* samples, size_t count);
    bool speaking() const { return hangover_ > 0; }
    // Mean of the absolute values of the last frame.
    uint32_t level() const { return level_; }

private:
    static constexpr int kHangover = 20;

    uint32_t level_ = 0;
    // In 1/16.
    uint32_t noise_ = 16 * 60;
    int loud_ = 0;
    int hangover_ = 0;
};

}  // namespace ramal
