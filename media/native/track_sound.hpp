// One party's recorded packets as sound: decoded by the writer's thread, in order, with losses hidden.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "clock.hpp"
#include "codec.hpp"
#include "concealment.hpp"
#include "resampler.hpp"

namespace ramal {

// A packet as it came. Places and lengths of recordings are in samples of 8 kHz, whatever the file's rate.
struct RecordedPacket {
    CodecKind kind;
    int64_t at;
    // Where its payload lies among those of its piece.
    size_t offset;
    size_t size;
};

class TrackSound;

// What one party said since the start of its job, still coded: G.711 by its time, with silence between; or packets, oldest first.
struct Piece {
    int channel;
    Law law = Law::mu;
    std::vector<uint8_t> codes = {};
    std::vector<RecordedPacket> packets = {};
    std::vector<uint8_t> payloads = {};
    // Who renders it, where a table of 256 values does not do.
    std::shared_ptr<TrackSound> sound = nullptr;
    // Once rendered: samples at the file's rate.
    std::vector<int16_t> samples = {};

    size_t bytes() const;
    // Called once, by the writer.
    void render(int64_t start, int64_t length);
};

// Keeps the state of the decoding from one piece of a party to the next.
class TrackSound {
public:
    // `rate`: 8000 or 16000, the file's.
    explicit TrackSound(int32_t rate) : rate_(rate) {}

    // Makes the samples of a stretch of `length` from `start` on.
    void render(Piece& piece, int64_t start, int64_t length);

private:
    void use(CodecKind kind);
    void render_codes(const Piece& piece, int64_t start);
    void render_packet(const Piece& piece, const RecordedPacket& packet);
    void hide_gap(const Piece& piece, const RecordedPacket& packet, int64_t missing);
    // Puts decoded samples at the cursor.
    void put(const int16_t* samples, size_t count);
    int64_t to_file(int64_t narrow) const { return narrow * rate_ / kSampleRate; }

    const int32_t rate_;
    std::optional<CodecKind> kind_;
    std::unique_ptr<Decoder> decoder_;
    std::optional<Concealment> concealment_;
    std::optional<Resampler> resampler_;
    // From here on all is in samples of the file: what was rendered, where that begins, and where the next sample belongs.
    std::vector<int16_t> line_;
    int64_t line_at_ = 0;
    int64_t cursor_ = -kLongestStretch;
    static constexpr int64_t kLongestStretch = 1 << 20;
};

}  // namespace ramal
