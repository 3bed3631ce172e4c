//! Runs one future on the thread at hand, with timers that wake it once.
//!
//! tokio's timer wheel hands a far timer down in steps and wakes its thread at each: three times for a minute. A
//! node that idles on a battery counts its wakeups.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Instant;

thread_local! {
    /// The earliest moment that a timer of the last poll waits for.
    static NEXT: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Runs `future` to its end. Timers in it are [`until`]; what else wakes it may come from any thread.
pub(crate) fn run<F: Future>(future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        NEXT.set(None);
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        match NEXT.get() {
            Some(at) => thread::park_timeout(at.saturating_duration_since(Instant::now())),
            None => thread::park(),
        }
    }
}

/// Waits until `at`; only inside of [`run`].
pub(crate) async fn until(at: Instant) {
    poll_fn(|_| {
        if Instant::now() >= at {
            return Poll::Ready(());
        }
        NEXT.set(Some(NEXT.get().map_or(at, |next| next.min(at))));
        Poll::Pending
    })
    .await;
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::sync::mpsc;

    #[test]
    fn the_earlier_of_two_timers_ends_the_wait() {
        let begin = Instant::now();
        let long = begin + Duration::from_secs(60);
        let first = run(async {
            tokio::select! {
                () = until(long) => "long",
                () = until(begin + Duration::from_millis(20)) => "short",
            }
        });
        assert_eq!(first, "short");
        assert!(begin.elapsed() >= Duration::from_millis(20));
    }

    #[test]
    fn another_thread_ends_the_wait_before_the_timer() {
        let (tx, mut rx) = mpsc::channel(1);
        let sender = thread::spawn(move || tx.blocking_send(7));
        let long = Instant::now() + Duration::from_secs(60);
        let got = run(async {
            tokio::select! {
                got = rx.recv() => got,
                () = until(long) => None,
            }
        });
        assert_eq!(got, Some(7));
        sender.join().unwrap().unwrap();
    }
}
