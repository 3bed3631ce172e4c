//! `starling id`: who you are.

use super::App;
use qrcode::render::unicode::Dense1x2;
use starling::api::types::Identity;
use starling::strings::clean_line;
use starling::t;

/// Show your name, your account and the link by which others add you.
///
/// Whoever has the link can write to you, even offline. Hand it over in person, as QR code or by any
/// way you have; `starling invite new` makes links that you can take back one by one.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Show the link as a QR code as well.
    #[arg(long)]
    qr: bool,
}

pub(super) async fn run(app: &App, args: Args) -> anyhow::Result<()> {
    let identity: Identity = app.client().with(async |session| session.get(&["identity"], &[]).await).await?;
    app.out.value(&identity, || {
        t!(
            "id",
            name = clean_line(&identity.name),
            account = identity.account.as_str(),
            link = identity.link.as_str()
        )
    })?;
    if args.qr {
        // With --json the picture is for the person beside the program.
        let picture = qr(&identity.link)?;
        if app.out.is_json() { app.out.note(&picture) } else { app.out.line(&picture)? }
    }
    Ok(())
}

/// `text` as a QR code of half-block characters, light on dark terminals.
pub(super) fn qr(text: &str) -> anyhow::Result<String> {
    let code = qrcode::QrCode::with_error_correction_level(text, qrcode::EcLevel::L)?;
    Ok(code.render::<Dense1x2>().dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_fits_version_16() {
        let link = format!("STARLING:1/{}", "A".repeat(597));
        let code = qrcode::QrCode::with_error_correction_level(&link, qrcode::EcLevel::L).unwrap();
        assert!(code.width() <= 17 + 4 * 16, "{}", code.width());
        assert!(qr(&link).unwrap().lines().count() > 30);
    }
}
