// corner is where notices come up: on a phone at the top, since the thing to do is at the bottom there.
export const corner = () => (window.innerWidth < 640 ? 'top' : 'bottomRight');
