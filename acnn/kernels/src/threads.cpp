#include "threads.h"

#include <pthread.h>

#include <atomic>
#include <cfenv>
#include <condition_variable>
#include <csignal>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace acnn {

namespace {

// What the threads of one call have in common; guarded by the pool's mutex as far as it changes.
struct Call {
    const std::function<void(int)> &work;
    std::fenv_t environment;  // rounding, and whether tiny numbers become zero: the same in all threads
    int n_running = 0;
    std::condition_variable finished;

    explicit Call(const std::function<void(int)> &work) : work(work) { std::fegetenv(&environment); }
};

struct Task {
    Call *call;
    int thread;
    std::exception_ptr error;
};

struct Worker {
    std::condition_variable wake;
    Task *task = nullptr;
};

std::exception_ptr error_of(const std::function<void(int)> &work, int thread) {
    try {
        work(thread);
    } catch (...) {
        return std::current_exception();
    }
    return nullptr;
}

// Signals go to the threads of the program, except those that a fault in the thread itself raises.
class SignalsBlocked {
  public:
    SignalsBlocked() {
        sigset_t all;
        sigfillset(&all);
        for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP}) sigdelset(&all, fault);
        pthread_sigmask(SIG_SETMASK, &all, &before_);
    }
    ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
    SignalsBlocked(const SignalsBlocked &) = delete;
    SignalsBlocked &operator=(const SignalsBlocked &) = delete;

  private:
    sigset_t before_;
};

class Pool {
  public:
    // Of this process; never deleted, since its threads wait for as long as the process lives.
    static Pool &own();

    void run(int n_threads, const std::function<void(int)> &work);

  private:
    static std::atomic<Pool *> current_;
    static const int watches_forks_;
    std::mutex mutex_;
    std::vector<Worker *> idle_;
    size_t n_workers_ = 0;

    Worker *take();
    void serve(Worker *worker);
    // Gives the tasks to as many workers as there are or can be made.
    std::vector<Worker *> hand_out(std::vector<Task> &tasks);
    // Takes back the tasks that no worker has begun, and waits for the others.
    void finish(Call &call, const std::vector<Worker *> &workers, std::vector<Task> &tasks);
};

std::atomic<Pool *> Pool::current_{nullptr};

// A forked process has no threads of the pool that it inherits, whose mutex may be locked forever.
const int Pool::watches_forks_ = pthread_atfork(nullptr, nullptr, [] { current_.store(nullptr); });

Pool &Pool::own() {
    Pool *found = current_.load();
    if (found) return *found;
    Pool *made = new Pool;
    if (current_.compare_exchange_strong(found, made)) return *made;
    delete made;
    return *found;
}

// An idle worker, or a new one; null where the system has no thread or memory for it.
Worker *Pool::take() {
    if (!idle_.empty()) {
        Worker *worker = idle_.back();
        idle_.pop_back();
        return worker;
    }
    try {
        auto worker = std::make_unique<Worker>();
        idle_.reserve(n_workers_ + 1);
        const SignalsBlocked blocked;
        std::thread(&Pool::serve, this, worker.get()).detach();
        ++n_workers_;
        return worker.release();
    } catch (const std::exception &) {
        return nullptr;
    }
}

void Pool::serve(Worker *worker) {
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
        worker->wake.wait(lock, [&] { return worker->task; });
        Task &task = *worker->task;
        Call &call = *task.call;
        worker->task = nullptr;
        ++call.n_running;
        lock.unlock();
        std::fesetenv(&call.environment);
        task.error = error_of(call.work, task.thread);
        lock.lock();
        idle_.push_back(worker);
        if (--call.n_running == 0) call.finished.notify_one();
    }
}

std::vector<Worker *> Pool::hand_out(std::vector<Task> &tasks) {
    std::vector<Worker *> workers;
    workers.reserve(tasks.size());
    const std::lock_guard<std::mutex> lock(mutex_);
    for (Task &task : tasks) {
        Worker *worker = take();
        if (!worker) break;
        worker->task = &task;
        workers.push_back(worker);
    }
    return workers;
}

void Pool::finish(Call &call, const std::vector<Worker *> &workers, std::vector<Task> &tasks) {
    std::unique_lock<std::mutex> lock(mutex_);
    for (size_t i = 0; i < workers.size(); ++i)
        if (workers[i]->task == &tasks[i]) {
            workers[i]->task = nullptr;
            idle_.push_back(workers[i]);
        }
    call.finished.wait(lock, [&] { return call.n_running == 0; });
}

void Pool::run(int n_threads, const std::function<void(int)> &work) {
    Call call(work);
    std::vector<Task> tasks;
    for (int thread = 1; thread < n_threads; ++thread) tasks.push_back({&call, thread, nullptr});
    const std::vector<Worker *> workers = hand_out(tasks);
    for (Worker *worker : workers) worker->wake.notify_one();
    const std::exception_ptr error = error_of(work, 0);
    finish(call, workers, tasks);
    if (error) std::rethrow_exception(error);
    for (const Task &task : tasks)
        if (task.error) std::rethrow_exception(task.error);
}

}  // namespace

void run_threads(int n_threads, const std::function<void(int)> &work) {
    if (n_threads == 1)
        work(0);
    else
        Pool::own().run(n_threads, work);
}

}  // namespace acnn
