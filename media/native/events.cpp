#include "events.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace ramal {

EventQueue::EventQueue() : descriptor_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (descriptor_ < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
}

EventQueue::~EventQueue() { close(descriptor_); }

void EventQueue::push(Event event) {
    const std::lock_guard lock(mutex_);
    // A reader that sleeps for so long is gone; memory must not grow for it.
    if (events_.size() >= kMost) return;
    events_.push_back(std::move(event));
    if (events_.size() == 1) eventfd_write(descriptor_, 1);
}

std::vector<Event> EventQueue::take() {
    const std::lock_guard lock(mutex_);
    eventfd_t count = 0;
    eventfd_read(descriptor_, &count);
    return std::exchange(events_, {});
}

}  // namespace ramal
