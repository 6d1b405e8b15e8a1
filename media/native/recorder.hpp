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

// One party of a recording. Its ring holds about two seconds of G.711.
class Track {
public:
    Track(Recording& recording, int channel);

    // Places a packet by its arrival and its timestamp. `epoch` changes when timestamps begin anew.
    void write(Law law, const uint8_t* codes, size_t count, uint32_t timestamp, uint64_t epoch, int64_t now);
    // What was heard from `from` to `to` (samples since the start), or nothing when that is silence; the ring is silent there again.
    std::optional<Piece> take(int64_t from, int64_t to);
    // Nothing more will come.
    void detach() { recording_ = nullptr; }
    // Detached, and all is taken.
    bool spent(int64_t flushed) const { return recording_ == nullptr && end_ <= flushed; }

    static constexpr int64_t kRing = 16384;

private:
    int64_t place(size_t count, uint32_t timestamp, uint64_t epoch, int64_t arrival);
    void store(Law law, const uint8_t* codes, size_t count, int64_t at);

    Recording* recording_;
    const int channel_;
    std::optional<Law> law_;
    std::vector<uint8_t> ring_;
    uint64_t epoch_ = 0;
    uint32_t timestamp_ = 0;
    int64_t position_ = 0;
    int64_t end_ = 0;
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

    // Samples from the start to `now`.
    int64_t position(int64_t now) const { return samples_in(now - start_); }
    int64_t flushed() const { return flushed_; }
    // Length so far, or of the closed file; for any thread.
    double seconds(int64_t now) const;
    uint32_t id() const { return file_->id; }
    int channels() const { return file_->channels; }

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
