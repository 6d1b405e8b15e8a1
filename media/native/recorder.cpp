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

Track::Track(Recording& recording, int channel) : recording_(&recording), channel_(channel), recording_rate_(recording.rate()) {}

int64_t Track::place(int64_t count, int64_t elapsed, uint64_t epoch, int64_t arrival) {
    // The last sample of a packet was spoken when it was sent.
    const int64_t by_arrival = arrival - count;
    int64_t at = position_ + elapsed;
    if (epoch != epoch_ || at - by_arrival > kMostEarly || by_arrival - at > kMostLate) at = by_arrival;
    epoch_ = epoch;
    position_ = at;
    return at;
}

void Track::write(CodecKind kind, const uint8_t* payload, size_t size, uint32_t timestamp, uint64_t epoch, int64_t now) {
    if (recording_ == nullptr) return;
    const auto law = law_of(kind);
    const int64_t clock = rates_of(kind).clock;
    const int64_t elapsed = static_cast<int32_t>(timestamp - timestamp_) * kSampleRate / clock;
    // How long a packet is only its decoder knows; most are of one frame.
    const int64_t count = law ? static_cast<int64_t>(size) : kFrameSamples;
    const int64_t at = place(count, elapsed, kind == kind_ ? epoch : ~epoch, recording_->position(now));
    epoch_ = epoch;
    kind_ = kind;
    timestamp_ = timestamp;
    if (recording_->paused()) return;
    if (law) {
        write_codes(*law, payload, size, at);
    } else {
        write_packet(kind, payload, size, at);
    }
}

void Track::write_codes(Law law, const uint8_t* codes, size_t count, int64_t at) {
    const int64_t early = recording_->flushed() - at;
    if (early >= static_cast<int64_t>(count)) return;
    if (early > 0) {
        codes += early;
        count -= static_cast<size_t>(early);
        at += early;
    }
    if (at + static_cast<int64_t>(count) > recording_->flushed() + kRing) return;
    store(law, codes, count, at);
    end_ = std::max(end_, at + static_cast<int64_t>(count));
}

void Track::write_packet(CodecKind kind, const uint8_t* payload, size_t size, int64_t at) {
    if (at < recording_->flushed() || at > recording_->flushed() + kRing) return;
    if (packets_.size() >= kMostPackets || payloads_.size() + size > kMostBytes) return;
    packets_.push_back({kind, at, payloads_.size(), size});
    payloads_.insert(payloads_.end(), payload, payload + size);
    end_ = std::max(end_, at + kFrameSamples);
}

void Track::store(Law law, const uint8_t* codes, size_t count, int64_t at) {
    if (!law_) {
        law_ = law;
        ring_.assign(kRing, silence_code(law));
    }
    const auto from = static_cast<size_t>(at & (kRing - 1));
    const size_t first = std::min(count, ring_.size() - from);
    std::memcpy(&ring_[from], codes, first);
    std::memcpy(&ring_[0], codes + first, count - first);
    coded_end_ = std::max(coded_end_, at + static_cast<int64_t>(count));
    if (law == *law_) return;
    transcode(law, &ring_[from], first);
    transcode(law, &ring_[0], count - first);
}

Piece Track::take_codes(int64_t from, int64_t to) {
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

void Track::take_packets(Piece& piece, int64_t to) {
    std::stable_sort(packets_.begin(), packets_.end(), [](const auto& a, const auto& b) { return a.at < b.at; });
    const auto until = std::find_if(packets_.begin(), packets_.end(), [to](const auto& packet) { return packet.at >= to; });
    piece.packets.assign(packets_.begin(), until);
    piece.payloads.reserve(payloads_.size());
    for (RecordedPacket& packet : piece.packets) {
        const auto payload = payloads_.begin() + static_cast<std::ptrdiff_t>(packet.offset);
        packet.offset = piece.payloads.size();
        piece.payloads.insert(piece.payloads.end(), payload, payload + static_cast<std::ptrdiff_t>(packet.size));
    }
    packets_.erase(packets_.begin(), until);
    std::vector<uint8_t> rest;
    // So that the next second's packets find their room.
    rest.reserve(payloads_.capacity());
    for (RecordedPacket& packet : packets_) {
        const auto payload = payloads_.begin() + static_cast<std::ptrdiff_t>(packet.offset);
        packet.offset = rest.size();
        rest.insert(rest.end(), payload, payload + static_cast<std::ptrdiff_t>(packet.size));
    }
    payloads_ = std::move(rest);
}

std::optional<Piece> Track::take(int64_t from, int64_t to) {
    if (end_ <= from) return std::nullopt;
    Piece piece{channel_};
    if (law_ && coded_end_ > from) piece = take_codes(from, to);
    if (!packets_.empty()) take_packets(piece, to);
    // A table is enough for G.711 in a file of its own rate.
    if (!sound_ && (!piece.packets.empty() || recording_rate_ != kSampleRate)) sound_ = std::make_shared<TrackSound>(recording_rate_);
    piece.sound = sound_;
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
