#include "mixer.hpp"

#include <algorithm>

#include "endpoint.hpp"

namespace ramal {
namespace {

// A cough does not make one the speaker.
constexpr int64_t kSpeakerAfter = 300 * kMillisecond;

int16_t clipped(int32_t value) { return static_cast<int16_t>(std::clamp(value, -32768, 32767)); }

}  // namespace

void Mixer::clear() {
    for (const auto& seat : seats_) seat->endpoint.sit(nullptr);
    seats_.clear();
}

void Mixer::add(Endpoint& endpoint) {
    Seat* present = endpoint.seat();
    if (present != nullptr && &present->mixer == this) return;
    if (present != nullptr) present->mixer.remove(endpoint);
    seats_.push_back(std::make_unique<Seat>(*this, endpoint));
    endpoint.sit(seats_.back().get());
}

void Mixer::remove(Endpoint& endpoint) {
    Seat* leaving = endpoint.seat();
    if (leaving == nullptr || &leaving->mixer != this) return;
    endpoint.sit(nullptr);
    std::erase_if(seats_, [leaving](const auto& seat) { return seat.get() == leaving; });
    for (const auto& seat : seats_) seat->gains_.erase(endpoint.id);
    if (speaker_ == endpoint.id) speaker_ = 0;
}

void Mixer::mute(Endpoint& endpoint, bool muted) {
    Seat* seat = endpoint.seat();
    if (seat != nullptr && &seat->mixer == this) seat->muted_ = muted;
}

void Mixer::set_gain(const Endpoint& speaker, Endpoint& listener, float gain) {
    Seat* seat = listener.seat();
    if (seat == nullptr || &seat->mixer != this) return;
    if (gain == 1.0F) {
        seat->gains_.erase(speaker.id);
    } else {
        seat->gains_[speaker.id] = gain;
    }
}

void Mixer::step(int64_t now) {
    sum_.fill(0);
    for (const auto& seat : seats_) listen(*seat);
    if (sound_) {
        std::array<int16_t, kFrameSamples> frame;
        if (sound_->fill(frame.data(), frame.size())) {
            for (size_t i = 0; i < frame.size(); ++i) sum_[i] += frame[i];
        } else {
            sound_.reset();
        }
    }
    for (const auto& seat : seats_) speak(*seat, now);
    tell_speaker(now);
}

void Mixer::listen(Seat& seat) {
    const bool any = seat.endpoint.take_frame(seat.frame_.data());
    const bool speaks = seat.voice_.frame(seat.frame_.data(), seat.frame_.size());
    seat.audible_ = any && !seat.muted_ && (speaks || seats_.size() <= kSmallRoom);
    if (!seat.audible_) return;
    for (size_t i = 0; i < seat.frame_.size(); ++i) sum_[i] += seat.frame_[i];
}

void Mixer::speak(Seat& seat, int64_t now) {
    if (!seat.endpoint.open_for_mixer()) return;
    Sum own = sum_;
    if (seat.audible_) {
        for (size_t i = 0; i < own.size(); ++i) own[i] -= seat.frame_[i];
    }
    if (!seat.gains_.empty()) {
        for (const auto& other : seats_) {
            const auto found = other->audible_ && other.get() != &seat ? seat.gains_.find(other->endpoint.id) : seat.gains_.end();
            if (found == seat.gains_.end()) continue;
            // In 1/256: the sum holds the other once already.
            const auto change = static_cast<int32_t>((found->second - 1.0F) * 256.0F);
            for (size_t i = 0; i < own.size(); ++i) own[i] += other->frame_[i] * change / 256;
        }
    }
    std::array<int16_t, kFrameSamples> heard;
    std::transform(own.begin(), own.end(), heard.begin(), clipped);
    seat.endpoint.send_mixed(heard.data(), now);
}

void Mixer::tell_speaker(int64_t now) {
    const Seat* loudest = nullptr;
    for (const auto& seat : seats_) {
        if (seat->muted_ || !seat->voice_.speaking()) continue;
        if (loudest == nullptr || seat->voice_.level() > loudest->voice_.level()) loudest = seat.get();
    }
    // Who spoke last stays the speaker through everybody's pauses.
    if (loudest == nullptr || loudest->endpoint.id == speaker_) {
        candidate_ = 0;
        return;
    }
    if (loudest->endpoint.id != candidate_) {
        candidate_ = loudest->endpoint.id;
        candidate_since_ = now;
    }
    if (now - candidate_since_ < kSpeakerAfter) return;
    speaker_ = candidate_;
    events_.push({EventKind::speaker_changed, id, speaker_});
}

}  // namespace ramal
