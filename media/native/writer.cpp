#include "writer.hpp"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "clock.hpp"
#include "wav.hpp"

namespace ramal {
namespace {

int16_t sum(int a, int b) { return static_cast<int16_t>(std::clamp(a + b, -32768, 32767)); }

void mix(const Piece& piece, int channels, std::vector<int16_t>& samples) {
    const DecodeTable& decode = decode_table(piece.law);
    const size_t frames = samples.size() / static_cast<size_t>(channels);
    int16_t* at = samples.data() + piece.channel;
    for (size_t i = 0; i < std::min(frames, piece.samples.size()); ++i, at += channels) *at = sum(*at, piece.samples[i]);
    at = samples.data() + piece.channel;
    for (size_t i = 0; i < std::min(frames, piece.codes.size()); ++i, at += channels) *at = sum(*at, decode[piece.codes[i]]);
}

// So that the name of a new file outlives a power cut as its content does.
void sync_folder(const std::string& path) {
    const size_t slash = path.rfind('/');
    const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
    const int descriptor = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) return;
    fsync(descriptor);
    close(descriptor);
}

}  // namespace

size_t WriteJob::bytes() const {
    size_t total = sizeof *this;
    for (const Piece& piece : pieces) total += piece.bytes();
    return total;
}

RecordingFile::RecordingFile(uint32_t id, std::string path, int channels, int32_t rate)
    : id(id), path(std::move(path)), channels(channels), rate(rate) {}

int RecordingFile::create() {
    if (descriptor_ >= 0) return 0;
    std::error_code failure;
    std::filesystem::create_directories(std::filesystem::path(path).parent_path(), failure);
    descriptor_ = open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    // What keeps the folder away tells more than that the file cannot be in it.
    if (descriptor_ < 0) return failure ? failure.value() : errno;
    return 0;
}

int RecordingFile::put_header(int64_t frames) {
    const auto header = wav_header(channels, rate, frames);
    return put(header.data(), header.size(), 0);
}

RecordingFile::~RecordingFile() {
    if (descriptor_ >= 0) close(descriptor_);
}

int RecordingFile::put(const void* data, size_t size, int64_t at) {
    const auto* bytes = static_cast<const uint8_t*>(data);
    while (size > 0) {
        const ssize_t written = pwrite(descriptor_, bytes, size, at);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return written == 0 ? EIO : errno;
        bytes += written;
        at += written;
        size -= static_cast<size_t>(written);
    }
    return 0;
}

int RecordingFile::write(const WriteJob& job) {
    if (const int failure = create(); failure != 0) return failure;
    const int64_t frame_bytes = channels * 2;
    const auto header_bytes = static_cast<int64_t>(kWavHeader);
    const int64_t frames = std::max(frames_, in_file(job.start + job.frames));
    // The samples first: the header must never promise what is not there.
    if (job.pieces.empty()) {
        if (ftruncate(descriptor_, header_bytes + frames * frame_bytes) != 0) return errno;
    } else {
        std::vector<int16_t> samples(static_cast<size_t>(in_file(job.frames) * channels));
        for (const Piece& piece : job.pieces) mix(piece, channels, samples);
        const int failure = put(samples.data(), samples.size() * 2, header_bytes + in_file(job.start) * frame_bytes);
        if (failure != 0) return failure;
    }
    const int failure = put_header(frames);
    if (failure == 0) frames_ = frames;
    return failure;
}

int RecordingFile::finish() {
    if (const int failure = create(); failure != 0) return failure;
    if (const int failure = put_header(frames_); failure != 0) return failure;
    if (ftruncate(descriptor_, static_cast<int64_t>(kWavHeader) + frames_ * channels * 2) != 0) return errno;
    if (fsync(descriptor_) != 0) return errno;
    sync_folder(path);
    return 0;
}

Writer::Writer(EventQueue& events, size_t most_queued) : events_(events), most_queued_(most_queued), thread_([this] { run(); }) {}

Writer::~Writer() {
    {
        const std::lock_guard lock(mutex_);
        stop_ = true;
    }
    wake_.notify_one();
    thread_.join();
}

void Writer::submit(WriteJob job) {
    const size_t bytes = job.bytes();
    if (queued_ + bytes > most_queued_ && !job.last) {
        job.file->refused += job.frames;
        return;
    }
    queued_ += bytes;
    {
        const std::lock_guard lock(mutex_);
        jobs_.push_back(std::move(job));
    }
    wake_.notify_one();
}

void Writer::run() {
    pthread_setname_np(pthread_self(), "ramal-writer");
    // A file beyond the process's limit is an error to be told, not a reason to die.
    sigset_t blocked;
    sigfillset(&blocked);
    pthread_sigmask(SIG_BLOCK, &blocked, nullptr);
    for (;;) {
        std::vector<WriteJob> jobs;
        {
            std::unique_lock lock(mutex_);
            wake_.wait(lock, [this] { return stop_ || !jobs_.empty(); });
            if (jobs_.empty()) return;
            jobs = std::exchange(jobs_, {});
        }
        for (WriteJob& job : jobs) process(std::move(job));
    }
}

void Writer::process(WriteJob job) {
    const auto file = job.file;
    const bool last = job.last;
    const int64_t refused = file->refused.exchange(0);
    if (refused > 0) {
        file->lost += refused;
        failed(*file, "the disk is too slow");
    }
    // Once only, however often it has to be written: decoders have a memory.
    queued_ -= job.bytes();
    for (Piece& piece : job.pieces) piece.render(job.start, job.frames);
    queued_ += job.bytes();
    file->waiting.push_back(std::move(job));
    write_waiting(*file);
    while (file->waiting.size() > (last ? 0 : kMostWaiting) || (queued_ > most_queued_ && !file->waiting.empty())) drop_oldest(*file);
    if (last) finish(*file);
}

void Writer::write_waiting(RecordingFile& file) {
    while (!file.waiting.empty()) {
        const int failure = file.write(file.waiting.front());
        if (failure != 0) {
            failed(file, std::strerror(failure));
            return;
        }
        queued_ -= file.waiting.front().bytes();
        file.waiting.pop_front();
    }
    if (file.failing) report_loss(file);
    file.failing = false;
}

void Writer::drop_oldest(RecordingFile& file) {
    const WriteJob& oldest = file.waiting.front();
    if (!oldest.pieces.empty()) file.lost += oldest.frames;
    queued_ -= oldest.bytes();
    file.waiting.pop_front();
}

void Writer::failed(RecordingFile& file, const std::string& reason) {
    file.reason = reason;
    if (!file.failing) {
        file.lost_reported = file.lost;
        events_.push({EventKind::recording_failed, file.id, 0, static_cast<double>(file.lost) / kSampleRate, reason});
    }
    file.failing = true;
}

void Writer::report_loss(RecordingFile& file) {
    if (file.lost == file.lost_reported) return;
    file.lost_reported = file.lost;
    events_.push({EventKind::recording_failed, file.id, 0, static_cast<double>(file.lost) / kSampleRate, file.reason});
}

void Writer::finish(RecordingFile& file) {
    const int failure = file.finish();
    if (failure != 0) failed(file, std::strerror(failure));
    report_loss(file);
    events_.push({EventKind::recording_closed, file.id});
}

}  // namespace ramal
