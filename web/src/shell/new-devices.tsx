import { lazy, Suspense, useState } from 'react';
import { useLocation } from 'react-router';
import { useLogins } from '../account/logins';

const NewDevice = lazy(() => import('./new-device'));
const told = 'xinglin.told-devices';

// NewDevices tells a person once a session that his account was entered from a device that is new to it; his own
// account's page says so itself.
export function NewDevices() {
  const place = useLocation();
  const [before] = useState(read);
  const first = useLogins().data?.strangers?.[0];
  if (!first || place.pathname === '/me' || before === `${first.at} ${first.remote}`) return null;
  return <Suspense><NewDevice at={first.at} agent={first.agent} remote={first.remote} onTold={() => keep(`${first.at} ${first.remote}`)} /></Suspense>;
}

function read() {
  try {
    return sessionStorage.getItem(told);
  } catch {
    return null;
  }
}
function keep(device: string) {
  try {
    sessionStorage.setItem(told, device);
  } catch {
    // it is told again
  }
}
