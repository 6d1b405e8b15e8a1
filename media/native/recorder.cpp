#include "recorder.hpp"

#include <algorithm>
#include <cstring>

namespace ramal {
namespace {

// A packet may be this much before or behind its stream's own time line; beyond that the line is laid anew by the arrival.
constexpr int64_t kMostEarly = 60 * 8;
constexpr int64_t kMostLate = 300 * 8;
// What is younger stays in the ring at a flush: packets that late still find their place.
constexpr int64_t kHorizon = 400 * 8;

}  // namespace

Track::Track(Recording& recording, int channel) : recording_(&recording), channel_(channel), ring_(kRing) {}

int64_t Track::place(size_t count, uint32_t timestamp, uint64_t epoch, int64_t arrival) {
    // The last sample of a packet was spoken when it was sent.
    const int64_t by_arrival = arrival - static_cast<int64_t>(count);
    int64_t at = position_ + static_cast<int32_t>(timestamp - timestamp_);
    if (epoch != epoch_ || at - by_arrival > kMostEarly || by_arrival - at > kMostLate) at = by_arrival;
    epoch_ = epoch;
    timestamp_ = timestamp;
    position_ = at;
    return at;
}

void Track::write(Law law, const uint8_t* codes, size_t count, uint32_t timestamp, uint64_t epoch, int64_t now) {
    if (recording_ == nullptr) return;
    int64_t at = place(count, timestamp, epoch, recording_->position(now));
    const int64_t early = recording_->flushed() - at;
    if (recording_->paused() || early >= static_cast<int64_t>(count)) return;
    if (early > 0) {
        codes += early;
        count -= static_cast<size_t>(early);
        at += early;
    }
    if (at + static_cast<int64_t>(count) > recording_->flushed() + kRing) return;
    store(law, codes, count, at);
    end_ = std::max(end_, at + static_cast<int64_t>(count));
}

void Track::store(Law law, const uint8_t* codes, size_t count, int64_t at) {
    if (!law_) {
        law_ = law;
        std::fill(ring_.begin(), ring_.end(), silence_code(law));
    }
    const auto from = static_cast<size_t>(at & (kRing - 1));
    const size_t first = std::min(count, ring_.size() - from);
    std::memcpy(&ring_[from], codes, first);
    std::memcpy(&ring_[0], codes + first, count - first);
    if (law == *law_) return;
    transcode(law, &ring_[from], first);
    transcode(law, &ring_[0], count - first);
}

std::optional<Piece> Track::take(int64_t from, int64_t to) {
    if (!law_ || end_ <= from) return std::nullopt;
    const auto count = static_cast<size_t>(std::min(to - from, kRing));
    const auto begin = static_cast<size_t>(from & (kRing - 1));
    const size_t first = std::min(count, ring_.size() - begin);
    Piece piece{channel_, *law_, std::vector<uint8_t>(count)};
    std::memcpy(piece.codes.data(), &ring_[begin], first);
    std::memcpy(piece.codes.data() + first, &ring_[0], count - first);
    std::memset(&ring_[begin], silence_code(*law_), first);
    std::memset(&ring_[0], silence_code(*law_), count - first);
    return piece;
}

Recording::Recording(std::shared_ptr<RecordingFile> file, int64_t now) : file_(std::move(file)), start_(now) {}

Recording::~Recording() {
    for (const auto& track : tracks_) track->detach();
}

std::shared_ptr<Track> Recording::add_track(int channel) {
    tracks_.push_back(std::make_shared<Track>(*this, channel));
    return tracks_.back();
}

void Recording::flush(Writer& writer, int64_t now) {
    const int64_t until = position(now) - kHorizon;
    if (!closed() && until > flushed_) hand_over(writer, until, false);
}

void Recording::close(Writer& writer, int64_t now) {
    if (closed()) return;
    const int64_t until = std::max(flushed_, position(now));
    closed_samples_ = until;
    hand_over(writer, until, true);
    for (const auto& track : tracks_) track->detach();
    tracks_.clear();
}

void Recording::hand_over(Writer& writer, int64_t until, bool last) {
    WriteJob job{file_, flushed_, until - flushed_, {}, last};
    for (const auto& track : tracks_) {
        if (auto piece = track->take(flushed_, until)) job.pieces.push_back(std::move(*piece));
    }
    flushed_ = until;
    std::erase_if(tracks_, [this](const auto& track) { return track->spent(flushed_); });
    writer.submit(std::move(job));
}

double Recording::seconds(int64_t now) const {
    const int64_t closed = closed_samples_;
    return static_cast<double>(closed >= 0 ? closed : position(now)) / kSampleRate;
}

}  // namespace ramal
