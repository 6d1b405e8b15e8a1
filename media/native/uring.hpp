// The rings of io_uring, by the kernel's own interface: no library is needed to build or to run.
#pragma once

#if __has_include(<linux/io_uring.h>)
#include <linux/io_uring.h>
#endif

// The newest of what is used came with Linux 6.1.
#ifdef IORING_SETUP_DEFER_TASKRUN
#define RAMAL_HAVE_URING 1

#include <cstddef>
#include <cstdint>

namespace ramal {

// A mapping of memory that is given back.
class Mapping {
public:
    Mapping() = default;
    // Throws std::system_error. A negative descriptor maps fresh memory.
    Mapping(size_t size, int descriptor, int64_t offset);
    ~Mapping();
    Mapping(const Mapping&) = delete;
    Mapping& operator=(const Mapping&) = delete;
    Mapping& operator=(Mapping&& other) noexcept;

    uint8_t* data() const { return data_; }

private:
    uint8_t* data_ = nullptr;
    size_t size_ = 0;
};

// One submission and one completion queue, for one thread. It is made stopped, and started by the thread that will use it.
class Uring {
public:
    // Throws std::system_error where the kernel does not offer what is needed.
    Uring(unsigned submissions, unsigned completions);
    ~Uring();
    Uring(const Uring&) = delete;
    Uring& operator=(const Uring&) = delete;

    void start();
    // An empty entry; submits by itself when the queue is full.
    io_uring_sqe& next();
    // Hands over what was entered.
    void submit();
    // Hands over, and waits for so many completions or nanoseconds.
    void submit_and_wait(unsigned completions, int64_t timeout);

    // Calls `take` for each completion there is.
    template <typename Take>
    void complete(Take take) {
        unsigned head = *completion_head_;
        const unsigned tail = __atomic_load_n(completion_tail_, __ATOMIC_ACQUIRE);
        for (; head != tail; ++head) {
            const io_uring_cqe completion = completions_[head & completion_mask_];
            take(completion);
        }
        __atomic_store_n(completion_head_, head, __ATOMIC_RELEASE);
    }

    // Throws std::system_error.
    void call_register(unsigned operation, void* argument, unsigned count);

    // Makes room for so many files that the kernel need not look up for each packet. False: it gives none.
    bool make_places(unsigned count);
    // Puts a descriptor at a place; a negative one clears it. False: the kernel refuses.
    bool put_at(unsigned place, int descriptor);

private:
    int enter(unsigned completions, unsigned flags, void* argument, size_t size);

    int descriptor_;
    Mapping rings_;
    Mapping entries_;
    unsigned* submission_head_ = nullptr;
    unsigned* submission_tail_ = nullptr;
    unsigned* completion_head_ = nullptr;
    unsigned* completion_tail_ = nullptr;
    unsigned submission_count_ = 0;
    unsigned completion_mask_ = 0;
    io_uring_cqe* completions_ = nullptr;
    unsigned entered_ = 0;
    unsigned submitted_ = 0;
};

// Buffers that the kernel takes from when a packet comes, and that are handed back when they are done with.
class BufferRing {
public:
    // `count` is a power of two. Throws std::system_error.
    BufferRing(Uring& uring, uint16_t group, unsigned count, size_t size);

    uint8_t* buffer(uint16_t number) const { return memory_.data() + number * size_; }
    // Given to the kernel by the next `publish`.
    void give_back(uint16_t number);
    void publish();

private:
    const unsigned count_;
    const size_t size_;
    Mapping ring_;
    Mapping memory_;
    uint16_t tail_ = 0;
};

}  // namespace ramal

#endif
