// Recording on the engine's side: every party's packets in a ring, placed on the call's time line, handed to the writer each second.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "clock.hpp"
#include "codec.hpp"
#include "writer.hpp"

namespace ramal {

class Recording;

// One party of a recording. G.711 goes into a ring of about two seconds, other codecs' packets are kept as they come.
class Track {
public:
    Track(Recording& recording, int channel);

    // Places a packet by its arrival and its timestamp. `epoch` changes when timestamps begin anew.
    void write(CodecKind kind, const uint8_t* payload, size_t size, uint32_t timestamp, uint64_t epoch, int64_t now);
    // What was heard from `from` to `to` (samples since the start), or nothing when that is silence; the ring is silent there again.
    std::optional<Piece> take(int64_t from, int64_t to);
    // Nothing more will come.
    void detach() { recording_ = nullptr; }
    // Detached, and all is taken.
    bool spent(int64_t flushed) const { return recording_ == nullptr && end_ <= flushed; }

    static constexpr int64_t kRing = 16384;

private:
    // Packets that a second may bring, and their bytes: ten times what a party sends.
    static constexpr size_t kMostPackets = 1000;
    static constexpr size_t kMostBytes = 512 << 10;

    int64_t place(int64_t count, int64_t elapsed, uint64_t epoch, int64_t arrival);
    void write_codes(Law law, const uint8_t* codes, size_t count, int64_t at);
    void write_packet(CodecKind kind, const uint8_t* payload, size_t size, int64_t at);
    void store(Law law, const uint8_t* codes, size_t count, int64_t at);
    Piece take_codes(int64_t from, int64_t to);
    void take_packets(Piece& piece, int64_t to);

    Recording* recording_;
    const int channel_;
    // Hertz of the file, known even when the recording is gone.
    const int32_t recording_rate_;
    CodecKind kind_ = CodecKind::pcmu;
    std::optional<Law> law_;
    // Empty until it is needed.
    std::vector<uint8_t> ring_;
    std::vector<RecordedPacket> packets_;
    std::vector<uint8_t> payloads_;
    // Where more is needed than a table: the writer's thread's own.
    std::shared_ptr<TrackSound> sound_;
    uint64_t epoch_ = 0;
    uint32_t timestamp_ = 0;
    int64_t position_ = 0;
    int64_t end_ = 0;
    int64_t coded_end_ = 0;
};

// One file of a call. All but `seconds` is for the engine's thread.
class Recording {
public:
    Recording(std::shared_ptr<RecordingFile> file, int64_t now);
    ~Recording();
    Recording(const Recording&) = delete;
    Recording& operator=(const Recording&) = delete;

    std::shared_ptr<Track> add_track(int channel);
    // While paused nothing is kept, and time goes on as silence.
    void pause(bool paused) { paused_ = paused; }
    bool paused() const { return paused_; }
    void flush(Writer& writer, int64_t now);
    // Hands over all that was heard until now; nothing can be recorded after.
    void close(Writer& writer, int64_t now);
    bool closed() const { return closed_samples_ >= 0; }

    // Samples of 8 kHz, whatever the file's rate, from the start to `now`.
    int64_t position(int64_t now) const { return samples_in(now - start_); }
    int64_t flushed() const { return flushed_; }
    // Length so far, or of the closed file; for any thread.
    double seconds(int64_t now) const;
    uint32_t id() const { return file_->id; }
    int channels() const { return file_->channels; }
    // Hertz of the file.
    int32_t rate() const { return file_->rate; }

private:
    void hand_over(Writer& writer, int64_t until, bool last);

    std::shared_ptr<RecordingFile> file_;
    const int64_t start_;
    std::vector<std::shared_ptr<Track>> tracks_;
    bool paused_ = false;
    int64_t flushed_ = 0;
    std::atomic<int64_t> closed_samples_{-1};
};

}  // namespace ramal
