#include "concealment.hpp"

#include <algorithm>
#include <cmath>

namespace ramal {
namespace {

// Milliseconds, but for the pitch: 66 to 200 Hz as in the appendix.
constexpr int32_t kLowestPitch = 66;
constexpr int32_t kHighestPitch = 200;
constexpr int32_t kHistory = 50;
constexpr int32_t kCompared = 20;
constexpr int32_t kFullLevel = 10;
constexpr int32_t kSilentAfter = 60;
constexpr int32_t kShortestBlend = 4;
constexpr int32_t kLongestBlend = 10;

size_t samples_of(int32_t milliseconds, int32_t rate) { return static_cast<size_t>(milliseconds * (rate / 1000)); }

int16_t mixed(float a, float b, float share_of_b) { return static_cast<int16_t>(a + (b - a) * share_of_b); }

}  // namespace

Concealment::Concealment(int32_t rate) : rate_(rate), history_(samples_of(kHistory, rate)), past_(history_.size()) {}

void Concealment::reset() {
    std::fill(history_.begin(), history_.end(), int16_t{0});
    made_ = 0;
}

size_t Concealment::best_lag(const int16_t* end, size_t span, size_t least, size_t most, float* likeness) {
    const int16_t* now = end - span;
    // Every second sample tells enough of the correlation.
    constexpr size_t kStride = 2;
    float own = 1;
    for (size_t i = 0; i < span; i += kStride) own += static_cast<float>(now[i]) * static_cast<float>(now[i]);
    size_t best = least;
    float best_score = -1;
    for (size_t lag = least; lag <= most; ++lag) {
        const int16_t* then = now - lag;
        float product = 0, energy = 1;
        for (size_t i = 0; i < span; i += kStride) {
            product += static_cast<float>(now[i]) * static_cast<float>(then[i]);
            energy += static_cast<float>(then[i]) * static_cast<float>(then[i]);
        }
        const float score = product / std::sqrt(energy * own);
        if (score <= best_score) continue;
        best_score = score;
        best = lag;
    }
    if (likeness != nullptr) *likeness = best_score;
    return best;
}

void Concealment::begin() {
    past_ = history_;
    const auto most = static_cast<size_t>(rate_ / kLowestPitch);
    const auto least = static_cast<size_t>(rate_ / kHighestPitch);
    period_ = best_lag(past_.data() + past_.size(), samples_of(kCompared, rate_), least, most);
    periods_ = 1;
    phase_ = 0;
    // What would jump at the seam is faded out over a quarter of a period.
    step_ = static_cast<float>(past_.back() - past_[past_.size() - 1 - period_]);
}

float Concealment::gain() const {
    const auto full = static_cast<float>(samples_of(kFullLevel, rate_));
    const auto silent = static_cast<float>(samples_of(kSilentAfter, rate_));
    const auto at = static_cast<float>(made_);
    return at <= full ? 1 : std::max(0.0F, 1 - (at - full) / (silent - full));
}

int16_t Concealment::next() {
    if (phase_ == period_ * periods_) {
        phase_ = 0;
        const size_t wanted = 1 + made_ / samples_of(kFullLevel, rate_);
        periods_ = std::min({wanted, size_t{3}, (past_.size() - period_ / 4) / period_});
        step_ = 0;
    }
    const size_t length = period_ * periods_;
    const size_t blend = std::max<size_t>(1, period_ / 4);
    const int16_t* start = past_.data() + past_.size() - length;
    float value = start[phase_];
    // The end of the loop leads into its beginning.
    const size_t left = length - phase_;
    if (left <= blend) {
        const auto share = static_cast<float>(blend - left + 1) / static_cast<float>(blend + 1);
        value += (static_cast<float>(start[static_cast<std::ptrdiff_t>(phase_) - static_cast<std::ptrdiff_t>(length)]) - value) * share;
    }
    if (made_ < blend) value += step_ * (1 - static_cast<float>(made_ + 1) / static_cast<float>(blend + 1));
    value *= gain();
    ++phase_;
    ++made_;
    return static_cast<int16_t>(std::clamp(value, -32768.0F, 32767.0F));
}

void Concealment::lost(int16_t* samples, size_t count) {
    if (made_ == 0) begin();
    const size_t silent = samples_of(kSilentAfter, rate_);
    for (size_t i = 0; i < count; ++i) samples[i] = made_ < silent ? next() : int16_t{0};
    remember(samples, count);
}

void Concealment::heard(int16_t* samples, size_t count) {
    if (made_ > 0) {
        const size_t wanted = samples_of(kShortestBlend, rate_) + made_ / 8;
        const size_t blend = std::min({count, wanted, samples_of(kLongestBlend, rate_)});
        const size_t silent = samples_of(kSilentAfter, rate_);
        for (size_t i = 0; i < blend; ++i) {
            const float made_up = made_ < silent ? next() : 0;
            samples[i] = mixed(made_up, samples[i], static_cast<float>(i + 1) / static_cast<float>(blend + 1));
        }
        made_ = 0;
    }
    remember(samples, count);
}

void Concealment::remember(const int16_t* samples, size_t count) {
    const size_t keep = std::min(count, history_.size());
    std::copy(history_.begin() + static_cast<std::ptrdiff_t>(keep), history_.end(), history_.begin());
    std::copy_n(samples + count - keep, keep, history_.end() - static_cast<std::ptrdiff_t>(keep));
}

}  // namespace ramal
