// The thread that writes recordings, so that a slow disk never delays a packet.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "events.hpp"
#include "track_sound.hpp"

namespace ramal {

class RecordingFile;

constexpr int kMostChannels = 8;

// A stretch of the recording, in samples of 8 kHz; what no piece covers is silence.
struct WriteJob {
    std::shared_ptr<RecordingFile> file;
    int64_t start = 0;
    int64_t frames = 0;
    std::vector<Piece> pieces = {};
    bool last = false;

    size_t bytes() const;
};

// A WAV file whose header tells the truth after every write, so that whatever kills the process leaves it playable.
//
// Every stretch has its place by its time: what could not be written is a hole, read as silence, and what follows stays in time.
class RecordingFile {
public:
    // Nothing is on the disk before the first write, so that a disk that hangs holds up the writer and nobody else.
    RecordingFile(uint32_t id, std::string path, int channels, int32_t rate);
    ~RecordingFile();
    RecordingFile(const RecordingFile&) = delete;
    RecordingFile& operator=(const RecordingFile&) = delete;

    // The rest is the writer's thread's.
    // Creates the file and its folders the first time; an existing file is never overwritten. Returns an errno, 0 when written.
    int write(const WriteJob& job);
    // Makes it durable; returns an errno.
    int finish();

    const uint32_t id;
    const std::string path;
    const int channels;
    // Hertz, 8000 or 16000.
    const int32_t rate;
    std::deque<WriteJob> waiting;
    bool failing = false;
    std::string reason;
    int64_t lost = 0;
    int64_t lost_reported = 0;
    // Frames that never reached the writer because its queue was full; the engine's thread adds.
    std::atomic<int64_t> refused{0};

private:
    int create();
    int put(const void* data, size_t size, int64_t at);
    int put_header(int64_t frames);
    int64_t in_file(int64_t narrow) const { return narrow * rate / kSampleRate; }

    int descriptor_ = -1;
    int64_t frames_ = 0;
};

class Writer {
public:
    // `most_queued`: bytes of sound that may wait for the disk.
    Writer(EventQueue& events, size_t most_queued);
    // Writes what is queued, then ends.
    ~Writer();
    Writer(const Writer&) = delete;
    Writer& operator=(const Writer&) = delete;

    // Never blocks. What is too much for the queue is dropped and counted as lost; the last job of a file is always taken.
    void submit(WriteJob job);

private:
    // Stretches kept for a file whose disk fails, about as many seconds.
    static constexpr size_t kMostWaiting = 8;

    void run();
    void process(WriteJob job);
    void write_waiting(RecordingFile& file);
    void drop_oldest(RecordingFile& file);
    void failed(RecordingFile& file, const std::string& reason);
    void report_loss(RecordingFile& file);
    void finish(RecordingFile& file);

    EventQueue& events_;
    const size_t most_queued_;
    std::mutex mutex_;
    std::condition_variable wake_;
    std::vector<WriteJob> jobs_;
    std::atomic<size_t> queued_{0};
    bool stop_ = false;
    std::thread thread_;
};

}  // namespace ramal
