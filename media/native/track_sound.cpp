#include "track_sound.hpp"

#include <algorithm>

namespace ramal {
namespace {

// What is missing longer than that was not lost on the way: the party was silent.
constexpr int64_t kLongestGapMs = 100;
// Packets this near to each other follow each other: their clock and ours differ a little.
constexpr int64_t kNearMs = 10;

}  // namespace

size_t Piece::bytes() const { return codes.size() + payloads.size() + packets.size() * sizeof packets[0] + 2 * samples.size(); }

void Piece::render(int64_t start, int64_t length) {
    if (sound) sound->render(*this, start, length);
}

void TrackSound::use(CodecKind kind) {
    if (kind_ == kind) return;
    kind_ = kind;
    decoder_ = make_decoder(kind, rate_);
    concealment_.emplace(decoder_->rate);
    resampler_.emplace(decoder_->rate, rate_);
}

void TrackSound::render(Piece& piece, int64_t start, int64_t length) {
    // What went beyond the last stretch opens this one, if it is the next.
    const int64_t at = to_file(start);
    if (at != line_at_) line_.clear();
    line_at_ = at;
    const auto wanted = static_cast<size_t>(to_file(length));
    line_.resize(std::max(line_.size(), wanted));
    if (!piece.codes.empty()) render_codes(piece, start);
    for (const RecordedPacket& packet : piece.packets) render_packet(piece, packet);
    const auto end = line_.begin() + static_cast<std::ptrdiff_t>(wanted);
    piece.samples.assign(line_.begin(), end);
    line_.erase(line_.begin(), end);
    line_at_ += static_cast<int64_t>(wanted);
    piece.codes = {};
    piece.packets = {};
    piece.payloads = {};
}

void TrackSound::render_codes(const Piece& piece, int64_t start) {
    use(piece.law == Law::mu ? CodecKind::pcmu : CodecKind::pcma);
    // The past of the filter is the end of the last stretch, if that was the one before.
    if (cursor_ != to_file(start)) resampler_->reset();
    cursor_ = to_file(start);
    const DecodeTable& decode = decode_table(piece.law);
    int16_t samples[kFrameSamples];
    for (size_t at = 0; at < piece.codes.size(); at += kFrameSamples) {
        const size_t count = std::min<size_t>(kFrameSamples, piece.codes.size() - at);
        for (size_t i = 0; i < count; ++i) samples[i] = decode[piece.codes[at + i]];
        put(samples, count);
    }
}

void TrackSound::render_packet(const Piece& piece, const RecordedPacket& packet) {
    use(packet.kind);
    const int64_t at = to_file(packet.at);
    const int64_t missing = at - cursor_;
    if (missing > rate_ * kNearMs / 1000 && missing <= rate_ * kLongestGapMs / 1000) {
        hide_gap(piece, packet, missing);
    } else if (std::abs(missing) > rate_ * kNearMs / 1000) {
        cursor_ = at;
    }
    int16_t samples[kMostSamples];
    const size_t count = decoder_->decode(&piece.payloads[packet.offset], packet.size, samples);
    concealment_->heard(samples, count);
    put(samples, count);
}

void TrackSound::hide_gap(const Piece& piece, const RecordedPacket& packet, int64_t missing) {
    int16_t samples[kMostSamples];
    const auto lost = static_cast<size_t>(missing * decoder_->rate / rate_);
    const uint8_t* payload = &piece.payloads[packet.offset];
    const size_t last = std::min(lost, decoder_->length(payload, packet.size));
    const auto conceal = [&](size_t count) {
        if (!decoder_->conceal(samples, count)) concealment_->lost(samples, count);
        put(samples, count);
    };
    if (lost > last) conceal(lost - last);
    if (!decoder_->recover(payload, packet.size, samples, last)) return conceal(last);
    put(samples, last);
}

void TrackSound::put(const int16_t* samples, size_t count) {
    int16_t out[6 * kLongestFrame];
    // At most twice as many come out: pieces of a frame fit.
    for (size_t at = 0; at < count; at += kLongestFrame) {
        const size_t made = resampler_->process(samples + at, std::min(kLongestFrame, count - at), out);
        const int64_t to = cursor_ - line_at_;
        cursor_ += static_cast<int64_t>(made);
        if (to > kLongestStretch) return;
        // What belongs to a stretch that is written already is too late: a gap may have begun there.
        const auto skip = static_cast<size_t>(std::max<int64_t>(0, -to));
        if (skip >= made) continue;
        const auto first = static_cast<size_t>(std::max<int64_t>(0, to));
        line_.resize(std::max(line_.size(), first + made - skip));
        std::copy(out + skip, out + made, line_.begin() + static_cast<std::ptrdiff_t>(first));
    }
}

}  // namespace ramal
