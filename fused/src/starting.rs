//! Operations that begin on the thread that was asked for them, and go on beside others as soon as there
//! is something to go on with. What memory knows is answered so without waking another thread, which takes
//! longer than most answers; and a question to the server is on its way before any other thread runs.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};

use parking_lot::Mutex;
use tokio::runtime::Handle;

/// Does what an operation can do without waiting, and leaves the rest to the runtime once that is woken.
pub fn start(runtime: &Handle, operation: impl Future<Output = ()> + Send + 'static) {
    let mut operation: Operation = Box::pin(operation);
    let rest = Arc::new(Rest {
        runtime: runtime.clone(),
        state: Mutex::new(State::Running),
    });
    let waker = Waker::from(rest.clone());
    let _entered = runtime.enter();
    if operation
        .as_mut()
        .poll(&mut Context::from_waker(&waker))
        .is_pending()
    {
        rest.wait(operation);
    }
}

type Operation = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What is left of an operation.
struct Rest {
    runtime: Handle,
    state: Mutex<State>,
}

enum State {
    /// It has not waited yet.
    Running,
    /// The same, and it can already go on.
    Woken,
    Waiting(Operation),
    /// The runtime has it.
    GoneOn,
}

impl Rest {
    /// It waits, unless it was woken meanwhile.
    fn wait(&self, operation: Operation) {
        let mut state = self.state.lock();
        if matches!(*state, State::Running) {
            *state = State::Waiting(operation);
        } else {
            *state = State::GoneOn;
            self.runtime.spawn(operation);
        }
    }
}

impl Wake for Rest {
    fn wake(self: Arc<Self>) {
        let mut state = self.state.lock();
        match std::mem::replace(&mut *state, State::GoneOn) {
            State::Running | State::Woken => *state = State::Woken,
            State::Waiting(operation) => drop(self.runtime.spawn(operation)),
            State::GoneOn => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::task::Poll;
    use std::thread;

    use tokio::runtime::{Builder, Runtime};
    use tokio::sync::oneshot;

    use super::*;

    fn runtime() -> Runtime {
        let mut builder = Builder::new_multi_thread();
        let built = builder.worker_threads(1).build();
        built.expect("threads can be had")
    }

    #[test]
    fn what_need_not_wait_is_done_at_once() {
        let runtime = runtime();
        let (said, done) = mpsc::channel();
        start(runtime.handle(), async move {
            let _ = said.send(thread::current().id());
        });
        assert_eq!(done.try_recv(), Ok(thread::current().id()));
    }

    #[test]
    fn what_has_to_wait_begins_here_and_goes_on_elsewhere() {
        let runtime = runtime();
        let (go_on, wait) = oneshot::channel::<()>();
        let (said, done) = mpsc::channel();
        start(runtime.handle(), async move {
            let before = thread::current().id();
            let _ = wait.await;
            let _ = said.send((before, thread::current().id()));
        });
        let _ = go_on.send(());
        let (before, behind) = done.recv().expect("it goes on");
        assert_eq!(before, thread::current().id());
        assert_ne!(behind, before);
    }

    #[test]
    fn what_is_woken_before_it_waits_goes_on() {
        let runtime = runtime();
        let (said, done) = mpsc::channel();
        let mut polls = 0;
        let woken = std::future::poll_fn(move |context| {
            polls += 1;
            if polls == 1 {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            let _ = said.send(polls);
            Poll::Ready(())
        });
        start(runtime.handle(), woken);
        assert_eq!(done.recv(), Ok(2));
    }
}
