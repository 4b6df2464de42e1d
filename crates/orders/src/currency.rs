//! The currency codes of ISO 4217.

/// The alphabetic codes of ISO 4217 list one (currencies, funds, metals and the special codes) as
/// of November 2026, sorted.
///
/// Codes are only ever added here. One that ISO withdraws stays, because there are orders in it in
/// the stream and in the table and must stay readable.
pub(crate) const CODES: [&str; 178] = [
    "AED", "AFN", "ALL", "AMD", "AOA", "ARS", "AUD", "AWG", "AZN", "BAM", "BBD", "BDT", "BHD",
    "BIF", "BMD", "BND", "BOB", "BOV", "BRL", "BSD", "BTN", "BWP", "BYN", "BZD", "CAD", "CDF",
    "CHE", "CHF", "CHW", "CLF", "CLP", "CNY", "COP", "COU", "CRC", "CUP", "CVE", "CZK", "DJF",
    "DKK", "DOP", "DZD", "EGP", "ERN", "ETB", "EUR", "FJD", "FKP", "GBP", "GEL", "GHS", "GIP",
    "GMD", "GNF", "GTQ", "GYD", "HKD", "HNL", "HTG", "HUF", "IDR", "ILS", "INR", "IQD", "IRR",
    "ISK", "JMD", "JOD", "JPY", "KES", "KGS", "KHR", "KMF", "KPW", "KRW", "KWD", "KYD", "KZT",
    "LAK", "LBP", "LKR", "LRD", "LSL", "LYD", "MAD", "MDL", "MGA", "MKD", "MMK", "MNT", "MOP",
    "MRU", "MUR", "MVR", "MWK", "MXN", "MXV", "MYR", "MZN", "NAD", "NGN", "NIO", "NOK", "NPR",
    "NZD", "OMR", "PAB", "PEN", "PGK", "PHP", "PKR", "PLN", "PYG", "QAR", "RON", "RSD", "RUB",
    "RWF", "SAR", "SBD", "SCR", "SDG", "SEK", "SGD", "SHP", "SLE", "SOS", "SRD", "SSP", "STN",
    "SVC", "SYP", "SZL", "THB", "TJS", "TMT", "TND", "TOP", "TRY", "TTD", "TWD", "TZS", "UAH",
    "UGX", "USD", "USN", "UYI", "UYU", "UYW", "UZS", "VED", "VES", "VND", "VUV", "WST", "XAD",
    "XAF", "XAG", "XAU", "XBA", "XBB", "XBC", "XBD", "XCD", "XCG", "XDR", "XOF", "XPD", "XPF",
    "XPT", "XSU", "XTS", "XUA", "XXX", "YER", "ZAR", "ZMW", "ZWG",
];

/// True if ISO 4217 lists this code. Case matters, because the standard's codes are upper case.
pub(crate) fn is_listed(code: &str) -> bool {
    CODES.binary_search(&code).is_ok()
}

#[cfg(test)]
mod tests {
    use iso_currency::Currency;

    use super::*;

    #[test]
    fn the_codes_are_sorted_and_unique() {
        assert!(CODES.is_sorted());
        assert!(CODES.windows(2).all(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn an_independently_kept_list_knows_every_code() {
        let unknown: Vec<_> = CODES
            .into_iter()
            .filter(|code| Currency::from_code(code).is_none())
            .collect();
        assert_eq!(unknown, Vec::<&str>::new());
    }

    #[test]
    fn of_all_combinations_of_three_letters_the_other_list_has_only_withdrawn_codes_besides() {
        let letters = || ('A'..='Z').collect::<Vec<_>>();
        let mut besides = Vec::new();
        for a in letters() {
            for b in letters() {
                for c in letters() {
                    let code = String::from_iter([a, b, c]);
                    if Currency::from_code(&code).is_some() && !is_listed(&code) {
                        besides.push(code);
                    }
                }
            }
        }
        assert_eq!(besides, ["BGN", "CUC", "HRK", "SLL", "ZWL"]);
    }

    #[test]
    fn case_matters() {
        assert!(is_listed("EUR"));
        assert!(!is_listed("eur"));
        assert!(!is_listed(""));
    }
}
