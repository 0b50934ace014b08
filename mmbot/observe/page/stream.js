// The daemon's events, as long as the page is open; it comes back by itself.

const AGAIN_MS = 5000;
const SILENT_MS = 6000;

export function connect(handlers, connected) {
  let source = null;
  let heard = Date.now();

  function open() {
    source = new EventSource("/api/events");
    for (const [name, handle] of Object.entries(handlers)) {
      source.addEventListener(name, (event) => {
        heard = Date.now();
        connected(true);
        handle(JSON.parse(event.data));
      });
    }
    source.onerror = () => {
      connected(false);
      // After a refusal, such as of one viewer too many, the browser does not try again.
      if (source.readyState === EventSource.CLOSED) setTimeout(open, AGAIN_MS);
    };
  }

  open();
  // A tunnel that hangs closes nothing.
  setInterval(() => {
    if (Date.now() - heard < SILENT_MS) return;
    connected(false);
    if (source.readyState === EventSource.OPEN) {
      source.close();
      heard = Date.now();
      open();
    }
  }, 1000);
}
