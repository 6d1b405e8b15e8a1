#include "comfort_noise.hpp"

#include <algorithm>
#include <cmath>

namespace ramal {

bool ComfortNoise::describe(const uint8_t* payload, size_t size) {
    if (size == 0 || payload[0] > 127) return false;
    order_ = std::min(size - 1, kHighestOrder);
    backward_ = {};
    // The filter lets through more than it is given: the excitation is so much less that the level comes out as told.
    float passed = 1;
    for (size_t i = 0; i < order_; ++i) {
        // Section 3.2: 127 stands for zero. Close to one the filter would ring for ever.
        reflections_[i] = std::clamp((static_cast<float>(payload[1 + i]) - 127) / 128, -0.98F, 0.98F);
        passed *= 1 - reflections_[i] * reflections_[i];
    }
    // 0 dBov is the level of a square wave of full scale.
    level_ = 32767 * std::pow(10.0F, static_cast<float>(payload[0]) / -20) * std::sqrt(passed);
    return true;
}

float ComfortNoise::white() {
    // Even between -sqrt(3) and sqrt(3): a level of one.
    random_ = random_ * 1'664'525 + 1'013'904'223;
    return (static_cast<float>(random_ >> 8) / 8'388'608 - 1) * 1.7320508F;
}

void ComfortNoise::fill(int16_t* samples, size_t count) {
    for (size_t i = 0; i < count; ++i) {
        float forward = white() * level_;
        for (size_t stage = order_; stage-- > 0;) {
            forward -= reflections_[stage] * backward_[stage];
            backward_[stage + 1] = backward_[stage] + reflections_[stage] * forward;
        }
        backward_[0] = forward;
        samples[i] = static_cast<int16_t>(std::clamp(forward, -32768.0F, 32767.0F));
    }
}

}  // namespace ramal
