#include "hearing.hpp"

#include <algorithm>

#include "clock.hpp"

namespace ramal {
namespace {

constexpr int64_t kFrameMs = 1000 / kFramesInSecond;
// After so long without a packet time stands still until one comes; concealment is silent long before.
constexpr int64_t kIdleAfterMs = 200;
// Comfort noise goes on longer: some send one packet for a whole pause.
constexpr int64_t kNoiseAfterMs = 5000;
// A hole in the timestamps longer than that is no loss: the party was silent, or its clock began anew.
constexpr int64_t kLongestLossMs = 400;
// More than this beyond the target is taken away at once; else a pitch period at a time where it cannot be heard.
constexpr float kFarBeyondMs = 200;
constexpr float kBeyondMs = 20;
constexpr float kAlike = 0.7F;
constexpr int64_t kFillerMs = 10;
// Of the packets: from so much loss on redundancy is waited for, and how quickly that is learnt.
constexpr float kLossy = 0.004F;
constexpr float kLossMemory = 1.0F / 64;

int32_t concealment_rate(const Decoder& decoder) { return decoder.rate > 8000 ? 16000 : 8000; }

}  // namespace

Hearing::Hearing(int32_t rate)
    : rate(rate), decoder_(make_decoder(kind_, rate)), concealment_(concealment_rate(*decoder_)), resampler_(decoder_->rate, rate) {}

void Hearing::use(CodecKind kind) {
    if (kind == kind_) return;
    kind_ = kind;
    clock_ = rates_of(kind).clock;
    decoder_ = make_decoder(kind, rate);
    concealment_ = Concealment(concealment_rate(*decoder_));
    resampler_ = Resampler(decoder_->rate, rate);
    has_source_ = false;
    decoded_count_ = 0;
}

void Hearing::packet(CodecKind kind, const RtpPacket& packet, uint64_t source, int64_t now) {
    use(kind);
    const size_t samples = decoder_->length(packet.payload, packet.size);
    if (samples > 0) accept(packet, to_clock(samples), false, source, now);
}

void Hearing::noise(const RtpPacket& packet, uint64_t source, int64_t now) {
    if (packet.size > 0 && clock_ == 8000) accept(packet, 0, true, source, now);
}

void Hearing::accept(const RtpPacket& packet, int64_t duration, bool noise, uint64_t source, int64_t now) {
    if (!has_source_ || source != source_) {
        has_source_ = true;
        source_ = source;
        store_.clear();
        estimate_.restart();
        if (state_ == State::playing) state_ = State::gathering;
        gathered_ms_ = 0;
        last_timestamp_ = packet.timestamp;
        next_ = last_time_;
    }
    // Some let their timestamps stand still while they are silent: that is no delay.
    if (state_ == State::idle) estimate_.restart();
    const int64_t time = last_time_ + static_cast<int32_t>(packet.timestamp - last_timestamp_);
    if (state_ == State::playing && time < next_) {
        ++counters_.late_packets;
        // Late by more than any network makes it: the party's timestamps began anew under the same name.
        if (next_ - time > clock_) has_source_ = false;
        estimate_.arrived(time * 1'000'000 / clock_, now / 1000);
        return;
    }
    if (!store_.add(time, duration, noise, packet.payload, packet.size)) return;
    if (time > last_time_) {
        last_time_ = time;
        last_timestamp_ = packet.timestamp;
    }
    if (!noise) estimate_.arrived(time * 1'000'000 / clock_, now / 1000);
    if (state_ == State::idle) {
        state_ = State::gathering;
        gathered_ms_ = 0;
    }
}

int64_t Hearing::waiting_ms() const {
    const int64_t stored = store_.empty() ? 0 : std::clamp<int64_t>(store_.end() - next_ - filled_, 0, clock_);
    return stored * 1000 / clock_ + static_cast<int64_t>(decoded_count_) * 1000 / decoder_->rate;
}

// Redundancy comes with the packet behind the lost one: it must be there in time.
int32_t Hearing::target_ms() const {
    return estimate_.milliseconds() + (decoder_->recovers() && loss_ > kLossy ? static_cast<int32_t>(kFrameMs) : 0);
}

void Hearing::ready() {
    next_ = store_.first().time;
    gathered_ms_ += static_cast<int32_t>(kFrameMs);
    const int32_t target = target_ms();
    if (waiting_ms() < target && gathered_ms_ <= target) return;
    state_ = State::playing;
    level_ = static_cast<float>(waiting_ms());
    filled_ = 0;
    noisy_ = false;
}

bool Hearing::frame(int16_t* samples) {
    const size_t count = static_cast<size_t>(decoder_->rate / kFramesInSecond);
    if (state_ == State::gathering && !store_.empty()) ready();
    if (state_ != State::playing) {
        std::fill_n(samples, frame_samples(), int16_t{0});
        return state_ == State::gathering;
    }
    level_ += (static_cast<float>(waiting_ms()) - level_) / 16;
    while (decoded_count_ < count) produce();
    catch_up();
    take(samples, count);
    return true;
}

void Hearing::produce() {
    if (store_.empty()) return play_filler();
    if (beyond() > kFarBeyondMs && store_.end() - store_.first().time > clock_ / kFramesInSecond) {
        const StoredPacket& dropped = store_.first();
        level_ -= static_cast<float>(dropped.duration * 1000 / clock_);
        counters_.removed_ms += static_cast<uint64_t>(dropped.duration * 1000 / clock_);
        next_ = std::max(next_, dropped.time + dropped.duration);
        store_.drop_first();
        return produce();
    }
    // What was lost is recovered all the same, and from now on everything comes so much later.
    if (decoder_->recovers() && filled_ > 0 && store_.first().time > next_ && !noisy_ && beyond() < 0) filled_ = 0;
    const int64_t missing = store_.first().time - next_ - filled_;
    if (missing <= 0 || missing > kLongestLossMs * clock_ / 1000) return play_first();
    if (noisy_) return play_filler();
    play_lost(missing);
}

void Hearing::play_first() {
    const StoredPacket& packet = store_.first();
    // What was made up for a packet that never came is known to be lost only now.
    const bool lost = packet.time > next_ && filled_ > 0;
    loss_ += ((lost ? 1.0F : 0.0F) - loss_) * kLossMemory;
    filled_ = 0;
    next_ = packet.time + packet.duration;
    noisy_ = packet.noise;
    if (packet.noise) {
        noisy_ = noise_.describe(packet.payload.data(), packet.payload.size());
    } else {
        int16_t* at = &decoded_[decoded_count_];
        const size_t count = decoder_->decode(packet.payload.data(), packet.payload.size(), at);
        // Its length was right when it came: what cannot be decoded all the same is lost.
        if (count == 0) {
            put_concealed(to_samples(packet.duration), nullptr);
        } else {
            concealment_.heard(at, count);
            decoded_count_ += count;
        }
    }
    store_.drop_first();
}

void Hearing::play_lost(int64_t missing) {
    next_ += filled_;
    filled_ = 0;
    loss_ += (1 - loss_) * kLossMemory;
    const StoredPacket& following = store_.first();
    // The packet behind the hole knows only of the one before it.
    const int64_t last = std::min(missing, std::max<int64_t>(following.duration, clock_ / 100));
    const int64_t now = missing > last ? std::min(missing - last, last) : last;
    put_concealed(to_samples(now), missing == last && !following.noise ? &following : nullptr);
    next_ += now;
}

void Hearing::play_filler() {
    const size_t count = in_ms(kFillerMs);
    filled_ += to_clock(count);
    if (noisy_) {
        noise_.fill(&decoded_[decoded_count_], count);
        decoded_count_ += count;
    } else {
        put_concealed(count, nullptr);
    }
    const int64_t longest = noisy_ ? kNoiseAfterMs : kIdleAfterMs;
    if (store_.empty() && filled_ > longest * clock_ / 1000) state_ = State::idle;
}

void Hearing::put_concealed(size_t count, const StoredPacket* following) {
    count = std::min(count, in_ms(kLongestPacketMs));
    int16_t* at = &decoded_[decoded_count_];
    const bool known = following != nullptr && decoder_->recover(following->payload.data(), following->payload.size(), at, count);
    if (known) {
        concealment_.heard(at, count);
    } else if (!decoder_->conceal(at, count)) {
        concealment_.lost(at, count);
    }
    if (!known) counters_.concealed_ms += to_ms(count);
    decoded_count_ += count;
}

void Hearing::catch_up() {
    if (beyond() < kBeyondMs || store_.empty() || noisy_ || concealment_.hiding()) return;
    const size_t count = static_cast<size_t>(decoder_->rate / kFramesInSecond);
    const size_t least = in_ms(5), most = in_ms(14), span = in_ms(10);
    // A frame must remain when a period is gone; decoding one packet more cannot overflow.
    while (decoded_count_ < count + most && !store_.empty() && store_.first().time <= next_) play_first();
    if (decoded_count_ < count + most || decoded_count_ < span + most) return;
    float likeness = 0;
    const size_t lag = Concealment::best_lag(decoded_.data() + span + most, span, least, most, &likeness);
    if (likeness < kAlike && beyond() < 4 * kBeyondMs) return;
    // From the start what comes a period later is faded in; then that goes on.
    for (size_t i = 0; i < lag; ++i) {
        const auto share = static_cast<int32_t>(i + 1);
        const auto length = static_cast<int32_t>(lag + 1);
        decoded_[i] = static_cast<int16_t>((decoded_[i] * (length - share) + decoded_[i + lag] * share) / length);
    }
    std::copy(decoded_.begin() + static_cast<std::ptrdiff_t>(2 * lag), decoded_.begin() + static_cast<std::ptrdiff_t>(decoded_count_),
              decoded_.begin() + static_cast<std::ptrdiff_t>(lag));
    decoded_count_ -= lag;
    counters_.removed_ms += to_ms(lag);
    level_ -= static_cast<float>(lag * 1000) / static_cast<float>(decoder_->rate);
}

void Hearing::take(int16_t* samples, size_t count) {
    resampler_.process(decoded_.data(), count, samples);
    decoded_count_ -= count;
    std::copy_n(decoded_.begin() + static_cast<std::ptrdiff_t>(count), decoded_count_, decoded_.begin());
}

}  // namespace ramal
