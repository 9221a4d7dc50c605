import { lazy, Suspense } from 'react';
import { useLogins } from '../account/logins';

const NewDevice = lazy(() => import('./new-device'));

// NewDevices tells a person once that his account was entered from a device that is new to it.
export function NewDevices() {
  const first = useLogins().data?.strangers?.[0];
  return first ? <Suspense><NewDevice at={first.at} agent={first.agent} remote={first.remote} /></Suspense> : null;
}
