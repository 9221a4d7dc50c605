// leave sends the browser on to an app, in this window or in a new one that knows nothing of ours.
export const leave = (url: string) => location.assign(url);
export const openApp = (url: string) => { window.open(url, '_blank', 'noopener,noreferrer'); };
