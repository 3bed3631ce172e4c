//! The side that is connected to: bluer serves and advertises.

use super::notify::{MAX_WAITING, Notification, notify_all};
use super::session::Told;
use super::{COMPANY, Info, MAX_VALUE, SERVICE, VALUES};
use crate::transport::ble::radio::Advert;
use bluer::adv::{Advertisement, AdvertisementHandle};
use bluer::gatt::CharacteristicWriter;
use bluer::gatt::local::{
    Application, ApplicationHandle, Characteristic, CharacteristicControl, CharacteristicControlEvent,
    CharacteristicNotify, CharacteristicNotifyMethod, CharacteristicRead, CharacteristicWrite,
    CharacteristicWriteMethod, CharacteristicWriteRequest, ReqError, Service, characteristic_control,
};
use futures::{FutureExt as _, StreamExt as _};
use std::collections::{BTreeMap, BTreeSet};
use tokio::sync::mpsc;

/// Sockets for notifications that wait to be taken over.
const MAX_NEW_WRITERS: usize = 8;

/// The service, and what is advertised. Dropping it withdraws both.
pub(super) struct Peripheral {
    adapter: bluer::Adapter,
    _application: ApplicationHandle,
    advertisement: Option<AdvertisementHandle>,
    /// Values to notify.
    pub(super) values: mpsc::Sender<Notification>,
}

impl Peripheral {
    /// Offers the service. What is written to it is told to the session.
    ///
    /// # Errors
    ///
    /// What BlueZ says.
    pub(super) async fn serve(
        adapter: bluer::Adapter,
        info: Info,
        tell: mpsc::Sender<Told>,
    ) -> Result<Self, bluer::Error> {
        let (control, handle) = characteristic_control();
        let values = Characteristic {
            uuid: VALUES,
            read: Some(readable(info)),
            write: Some(writable(tell.clone())),
            notify: Some(CharacteristicNotify {
                notify: true,
                method: CharacteristicNotifyMethod::Io,
                ..CharacteristicNotify::default()
            }),
            control_handle: handle,
            ..Characteristic::default()
        };
        let service =
            Service { uuid: SERVICE, primary: true, characteristics: vec![values], ..Service::default() };
        let application = Application { services: vec![service], ..Application::default() };
        let application = adapter.serve_gatt_application(application).await?;
        let (new_writers, writers) = mpsc::channel(MAX_NEW_WRITERS);
        tokio::spawn(take_sockets(control, new_writers));
        let (values, to_notify) = mpsc::channel(MAX_WAITING);
        tokio::spawn(notify_all(writers, to_notify, tell));
        Ok(Self { adapter, _application: application, advertisement: None, values })
    }

    /// Advertises this payload and no other; `None`: nothing.
    ///
    /// # Errors
    ///
    /// What BlueZ says.
    pub(super) async fn advertise(&mut self, advert: Option<Advert>) -> Result<(), bluer::Error> {
        if self.advertisement.take().is_some() {
            // The old payload is withdrawn by a task that was woken by this: it goes first, since the two side by
            // side on the air would say whose the new one is.
            tokio::task::yield_now().await;
        }
        let Some(advert) = advert else { return Ok(()) };
        let advertisement = Advertisement {
            advertisement_type: bluer::adv::Type::Peripheral,
            service_uuids: BTreeSet::from([SERVICE]),
            manufacturer_data: BTreeMap::from([(COMPANY, advert.to_vec())]),
            // BlueZ leaves out of its results who is not.
            discoverable: Some(true),
            ..Advertisement::default()
        };
        self.advertisement = Some(self.adapter.advertise(advertisement).await?);
        Ok(())
    }
}

/// Takes values by callback: of the two ways only it names the writer where BlueZ is older than 5.69.
///
/// What is written without response may be lost on the writer's side: BlueZ has answered for it, and drops what its
/// socket then does not take. A pipe says it again.
fn writable(tell: mpsc::Sender<Told>) -> CharacteristicWrite {
    let written = move |value: Vec<u8>, request: CharacteristicWriteRequest| {
        std::future::ready(on_written(&tell, value, &request)).boxed()
    };
    CharacteristicWrite {
        write: true,
        write_without_response: true,
        method: CharacteristicWriteMethod::Fun(Box::new(written)),
        ..CharacteristicWrite::default()
    }
}

fn on_written(
    tell: &mpsc::Sender<Told>,
    value: Vec<u8>,
    request: &CharacteristicWriteRequest,
) -> Result<(), ReqError> {
    if request.offset != 0 {
        return Err(ReqError::InvalidOffset);
    }
    if value.len() > MAX_VALUE {
        return Err(ReqError::InvalidValueLength);
    }
    let written = Told::Written { address: request.device_address.0, mtu: usize::from(request.mtu), value };
    // Who writes faster than this node reads learns it where it asked, and loses the value where not.
    tell.try_send(written).map_err(|_| {
        tracing::debug!("a value was written faster than it is read");
        ReqError::InProgress
    })
}

fn readable(info: Info) -> CharacteristicRead {
    let read = move |_| std::future::ready(Ok(info.to_bytes())).boxed();
    CharacteristicRead { read: true, fun: Box::new(read), ..CharacteristicRead::default() }
}

async fn take_sockets(mut control: CharacteristicControl, new: mpsc::Sender<CharacteristicWriter>) {
    while let Some(event) = control.next().await {
        if let CharacteristicControlEvent::Notify(writer) = event
            && new.send(writer).await.is_err()
        {
            return;
        }
    }
}
