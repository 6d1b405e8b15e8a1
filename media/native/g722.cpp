#include "g722.hpp"

#include <algorithm>
#include <cstdlib>

namespace ramal {
namespace {

constexpr int32_t kRate = 16000;

constexpr int32_t saturate(int32_t value) { return std::clamp(value, -32768, 32767); }

// Table 11: the impulse response of the mirror filters is symmetric; its even half.
constexpr std::array<int32_t, 12> kMirror{3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11};

// Table 14 and 15: decision levels of the lower band's 6-bit quantiser, and its codes by level and sign.
constexpr std::array<int32_t, 30> kDecisions{0,   35,  72,  110, 150, 190,  233,  276,  323,  370,  422,  473,  530,  587,  650,
                                             714, 786, 858, 940, 1023, 1121, 1219, 1339, 1458, 1612, 1765, 1980, 2195, 2557, 2919};

// Level 1 to 30 of a negative difference: the first two stand apart in the code.
constexpr uint8_t low_code(int level, bool negative) {
    if (!negative) return static_cast<uint8_t>(62 - level);
    return static_cast<uint8_t>(level <= 2 ? 64 - level : 34 - level);
}

// Outputs of the inverse quantisers by code: 4 and 6 bits of the lower band, 2 of the higher (tables 17 to 19).
constexpr std::array<int32_t, 16> kInverse4{0,     -20456, -12896, -8968, -6288, -4240, -2584, -1200,
                                            20456, 12896,  8968,   6288,  4240,  2584,  1200,  0};
constexpr std::array<int32_t, 64> kInverse6{
    -136,  -136,  -136,  -136,  -24808, -21904, -19008, -16704, -14984, -13512, -12280, -11192, -10232, -9360, -8576, -7856,
    -7192, -6576, -6000, -5456, -4944,  -4464,  -4008,  -3576,  -3168,  -2776,  -2400,  -2032,  -1688,  -1360, -1040, -728,
    24808, 21904, 19008, 16704, 14984,  13512,  12280,  11192,  10232,  9360,   8576,   7856,   7192,   6576,  6000,  5456,
    4944,  4464,  4008,  3576,  3168,   2776,   2400,   2032,   1688,   1360,   1040,   728,    432,    136,   -432,  -136};
constexpr std::array<int32_t, 4> kInverse2{-7408, -1616, 7408, 1616};

// What a code does to the logarithm of the scale (tables 20 and 21), by 4-bit code of the lower and 2-bit code of the higher band.
constexpr std::array<int32_t, 16> kLowGrowth{-60, 3042, 1198, 538, 334, 172, 58, -30, 3042, 1198, 538, 334, 172, 58, -30, -60};
constexpr std::array<int32_t, 4> kHighGrowth{798, -214, 798, -214};

// Table 22: 2048 * 2^(n / 32).
constexpr std::array<int32_t, 32> kPowers{2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834,
                                          2896, 2960, 3025, 3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008};

void rescale(G722Band& band, int32_t growth, int32_t highest, int32_t exponent) {
    band.log_scale = std::clamp((band.log_scale * 127 >> 7) + growth, 0, highest);
    const int32_t power = kPowers[static_cast<size_t>(band.log_scale >> 6 & 31)];
    const int32_t shift = exponent - (band.log_scale >> 11);
    band.scale = (shift < 0 ? power << -shift : power >> shift) * 4;
}

// Both ends follow the same codes: the 4 upper bits of the lower band (the lower two may be robbed on the way), 2 of the higher.
void follow_low(G722Band& band, uint8_t code) {
    const auto upper = static_cast<size_t>(code >> 2);
    const int32_t difference = band.scale * kInverse4[upper] >> 15;
    rescale(band, kLowGrowth[upper], 18432, 8);
    band.adapt(difference);
}

void follow_high(G722Band& band, uint8_t code) {
    const int32_t difference = band.scale * kInverse2[code] >> 15;
    rescale(band, kHighGrowth[code], 22528, 10);
    band.adapt(difference);
}

struct Bands {
    Bands() {
        low.scale = 32;
        high.scale = 8;
    }
    G722Band low;
    G722Band high;
};

class G722Decoder final : public Decoder {
public:
    G722Decoder() : Decoder(kRate) {}

    size_t length(const uint8_t*, size_t size) const override { return size <= kRate / 1000 * kLongestPacketMs / 2 ? 2 * size : 0; }
    size_t decode(const uint8_t* payload, size_t size, int16_t* samples) override {
        const size_t count = length(payload, size);
        for (size_t i = 0; 2 * i < count; ++i) pair(payload[i], samples + 2 * i);
        return count;
    }

private:
    void pair(uint8_t code, int16_t* samples) {
        const auto low_code = static_cast<uint8_t>(code & 0x3F);
        const auto high_code = static_cast<uint8_t>(code >> 6);
        const int32_t low = limit(bands_.low.estimate + (bands_.low.scale * kInverse6[low_code] >> 15));
        const int32_t high = limit(bands_.high.estimate + (bands_.high.scale * kInverse2[high_code] >> 15));
        follow_low(bands_.low, low_code);
        follow_high(bands_.high, high_code);
        const int32_t* row = delay_.push(low + high, low - high);
        int32_t first = 0, second = 0;
        for (size_t i = 0; i < 12; ++i) {
            second += row[2 * i] * kMirror[i];
            first += row[2 * i + 1] * kMirror[11 - i];
        }
        samples[0] = static_cast<int16_t>(saturate(first >> 11));
        samples[1] = static_cast<int16_t>(saturate(second >> 11));
    }

    static int32_t limit(int32_t value) { return std::clamp(value, -16384, 16383); }

    Bands bands_;
    G722Delay delay_;
};

class G722Encoder final : public Encoder {
public:
    G722Encoder() : Encoder(kRate) {}

    size_t encode(const int16_t* samples, uint8_t* payload) override {
        const size_t count = frame_samples() / 2;
        for (size_t i = 0; i < count; ++i) payload[i] = pair(samples[2 * i], samples[2 * i + 1]);
        return count;
    }

private:
    uint8_t pair(int16_t first, int16_t second) {
        const int32_t* row = delay_.push(first, second);
        int32_t even = 0, odd = 0;
        for (size_t i = 0; i < 12; ++i) {
            odd += row[2 * i] * kMirror[i];
            even += row[2 * i + 1] * kMirror[11 - i];
        }
        const uint8_t low = quantise_low((even + odd) >> 14);
        const uint8_t high = quantise_high((even - odd) >> 14);
        follow_low(bands_.low, low);
        follow_high(bands_.high, high);
        return static_cast<uint8_t>(high << 6 | low);
    }

    uint8_t quantise_low(int32_t sample) const {
        const int32_t error = saturate(sample - bands_.low.estimate);
        const int32_t magnitude = error < 0 ? ~error : error;
        const auto above = [&](int32_t decision) { return magnitude < decision * bands_.low.scale >> 12; };
        const auto found = std::find_if(kDecisions.begin() + 1, kDecisions.end(), above);
        return low_code(static_cast<int>(found - kDecisions.begin()), error < 0);
    }

    uint8_t quantise_high(int32_t sample) const {
        const int32_t error = saturate(sample - bands_.high.estimate);
        const int32_t magnitude = error < 0 ? ~error : error;
        const bool outer = magnitude >= 564 * bands_.high.scale >> 12;
        if (error < 0) return outer ? 0 : 1;
        return outer ? 2 : 3;
    }

    Bands bands_;
    G722Delay delay_;
};

}  // namespace

const int32_t* G722Delay::push(int32_t first, int32_t second) {
    values_[at_] = values_[at_ + kTaps] = first;
    values_[at_ + 1] = values_[at_ + 1 + kTaps] = second;
    at_ = (at_ + 2) % kTaps;
    return &values_[at_];
}

void G722Band::adapt_poles(int32_t partial) {
    const bool same = (partial < 0) == (partial_[0] < 0);
    const bool same_before = (partial < 0) == (partial_[1] < 0);
    const int32_t first = saturate(poles_[0] * 4);
    const int32_t turned = std::min(same ? -first : first, 32767);
    const int32_t second = std::clamp((same_before ? 128 : -128) + (turned >> 7) + (poles_[1] * 32512 >> 15), -12288, 12288);
    const int32_t bound = saturate(15360 - second);
    poles_[0] = std::clamp(saturate((same ? 192 : -192) + (poles_[0] * 32640 >> 15)), -bound, bound);
    poles_[1] = second;
}

void G722Band::adapt_zeros(int32_t difference) {
    const int32_t step = difference == 0 ? 0 : 128;
    for (size_t i = 0; i < zeros_.size(); ++i) {
        const bool same = (difference < 0) == (differences_[i] < 0);
        zeros_[i] = saturate((same ? step : -step) + (zeros_[i] * 32640 >> 15));
    }
}

void G722Band::adapt(int32_t difference) {
    const int32_t partial = saturate(zeros_estimate_ + difference);
    adapt_poles(partial);
    adapt_zeros(difference);
    partial_ = {partial, partial_[0]};
    reconstructed_ = {saturate(estimate + difference), reconstructed_[0]};
    std::copy_backward(differences_.begin(), differences_.end() - 1, differences_.end());
    differences_[0] = difference;
    const int32_t first = poles_[0] * saturate(2 * reconstructed_[0]) >> 15;
    const int32_t second = poles_[1] * saturate(2 * reconstructed_[1]) >> 15;
    int32_t sum = 0;
    for (size_t i = zeros_.size(); i-- > 0;) sum += zeros_[i] * saturate(2 * differences_[i]) >> 15;
    zeros_estimate_ = saturate(sum);
    estimate = saturate(saturate(first + second) + zeros_estimate_);
}

std::unique_ptr<Decoder> make_g722_decoder() { return std::make_unique<G722Decoder>(); }
std::unique_ptr<Encoder> make_g722_encoder() { return std::make_unique<G722Encoder>(); }

}  // namespace ramal
