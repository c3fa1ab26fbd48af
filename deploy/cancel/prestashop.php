<?php
/*
 * Cancel an order of PrestaShop 1.6 to 9 by the shop's own model: an OrderHistory takes it to the status that the shop
 * keeps as PS_OS_CANCELED. So stock comes back, the history has its line, the buyer gets the shop's mail, modules hear
 * of it. The buyer's reason becomes a private message in the order.
 *
 *   SYNCD_CANCEL__COMMAND=php /usr/local/share/syncd/cancel/prestashop.php FOLDER [FROM]
 *
 *   FOLDER  where the shop's index.php and config/ are, e.g. /var/www/shop
 *   FROM    the id_order_states from which a buyer may cancel, e.g. 1,2,10. Any other is refused. Without it: while the
 *           shop waits for money or goods, or has just been paid; as it is delivered, 1, 2, 9, 10, 11, 12 and 13
 *
 * An order is known by its id_order, `shop_id`. `order_id`, its id_order or its reference, has to name the same order;
 * alone it has to name exactly one.
 *
 * Run it by the PHP version that the web server runs the shop by.
 *
 * Tried on PrestaShop 1.6.1.1 and 1.7.6.0 (PHP 7.4) and 9.0.0 (PHP 8.2). README.md says what it needs.
 */

require __DIR__ . '/cancellation.php';

use Syncd\Cancellation;
use Syncd\Fault;
use Syncd\Refusal;

/** @return Order[] none or one, by its id */
function syncdById(string $text): array
{
    $id = Cancellation::key($text);
    $order = $id === null ? null : new Order($id);
    // Without a status it is not yet an order.
    return Validate::isLoadedObject($order) && (int) $order->current_state > 0 ? [$id => $order] : [];
}

/** @return Order[] by their ids; an order that was split has several with one reference */
function syncdByReference(string $text): array
{
    $found = [];
    foreach (Cancellation::isNumber($text) ? Order::getByReference($text) : [] as $order) {
        // The database takes "abc" for "ABC", and "ABC " too.
        if ((string) $order->reference === $text && (int) $order->current_state > 0) {
            $found[(int) $order->id] = $order;
        }
    }
    return $found;
}

/**
 * @throws Refusal if there is no such order
 * @throws Fault if it is not clear which is meant
 */
function syncdFind(string $shopId, string $orderId): Order
{
    $byReference = syncdByReference($orderId);
    $found = $shopId === '' ? $byReference + syncdById($orderId) : syncdById($shopId);
    if ($found === []) {
        throw new Refusal(Cancellation::NOT_KNOWN);
    }
    if (count($found) > 1) {
        $ids = implode(', ', array_keys($found));
        throw new Fault("order_id \"$orderId\" names the orders $ids; without shop_id it is not clear which is meant");
    }
    $order = reset($found);
    // A number that is another order's reference and this one's id names the other one.
    $same = $byReference === [] ? (string) $order->id === $orderId : isset($byReference[(int) $order->id]);
    if ($orderId !== '' && !$same) {
        throw new Fault("order_id \"$orderId\" is not the number of the order with shop_id $order->id");
    }
    return $order;
}

/** Have the shop's staff read in the order why. PrestaShop refuses texts that may be HTML with a script. */
function syncdTell(Order $order, string $text): bool
{
    $customer = new Customer((int) $order->id_customer);
    $known = CustomerThread::getIdCustomerThreadByEmailAndIdOrder($customer->email, $order->id);
    $thread = new CustomerThread((int) $known ?: null);
    if (!$known) {
        $thread->id_contact = 0;
        $thread->id_customer = (int) $order->id_customer;
        $thread->id_shop = (int) $order->id_shop;
        $thread->id_order = (int) $order->id;
        $thread->id_lang = (int) $order->id_lang;
        $thread->email = $customer->email;
        $thread->status = 'open';
        $thread->token = Tools::passwdGen(12);
        $thread->add();
    }
    // A text without < and > needs no purifier, whose cache the web server could not clear if this user were the first
    // to write it. This changes nothing but this process.
    Configuration::set('PS_USE_HTMLPURIFIER', 0);
    $message = new CustomerMessage();
    $message->id_customer_thread = (int) $thread->id;
    $message->id_employee = 0;
    $message->private = 1;
    $refused = ['<' => '‹', '>' => '›', '{' => '(', '}' => ')', '=' => ' ', 'script:' => 'script '];
    $message->message = str_ireplace(array_keys($refused), $refused, $text);
    return (bool) $message->add();
}

$syncd = Cancellation::begin($argv, 'php prestashop.php FOLDER [FROM]');
unset($argc, $argv);  // PrestaShop would take them for the parameters of a request
try {
    if (!is_file('config/config.inc.php')) {
        throw new Fault("$syncd->folder/config/config.inc.php is not there");
    }
    require_once "$syncd->folder/config/config.inc.php";

    $syncdCancelled = (int) Configuration::get('PS_OS_CANCELED');
    if ($syncdCancelled <= 0) {
        throw new Fault('this PrestaShop has no status for cancelled orders: PS_OS_CANCELED is not set');
    }
    $syncdFrom = $syncd->codes(1, implode(',', array_filter(array_map('intval', [
        Configuration::get('PS_OS_CHEQUE'),
        Configuration::get('PS_OS_BANKWIRE'),
        Configuration::get('PS_OS_COD_VALIDATION'),
        Configuration::get('PS_OS_OUTOFSTOCK_UNPAID'),
        Configuration::get('PS_OS_OUTOFSTOCK_PAID'),
        Configuration::get('PS_OS_PAYMENT'),
        Configuration::get('PS_OS_WS_PAYMENT'),
    ]))));

    $syncdOrder = syncdFind($syncd->shopId, $syncd->orderId);
    if ((int) $syncdOrder->current_state === $syncdCancelled) {
        $syncd->accept();
    }
    if (!in_array((string) $syncdOrder->current_state, $syncdFrom, true)) {
        throw new Refusal(Cancellation::REFUSED);
    }

    // As if the buyer were at the order's own shop.
    $syncdContext = Context::getContext();
    Shop::setContext(Shop::CONTEXT_SHOP, (int) $syncdOrder->id_shop);
    $syncdContext->shop = new Shop((int) $syncdOrder->id_shop);
    $syncdContext->currency = new Currency((int) $syncdOrder->id_currency);
    $syncdContext->customer = new Customer((int) $syncdOrder->id_customer);
    $syncdContext->cart = new Cart((int) $syncdOrder->id_cart);
    $syncdLanguage = new Language((int) $syncdOrder->id_lang);
    if (Validate::isLoadedObject($syncdLanguage)) {
        $syncdContext->language = $syncdLanguage;
    }
    // From 1.7.6 on the mail needs the format of prices, which only a page's controller would have prepared.
    if (property_exists('Context', 'currentLocale')) {
        $syncdContainer = PrestaShop\PrestaShop\Adapter\ContainerBuilder::getContainer('front', _PS_MODE_DEV_);
        if (property_exists('Context', 'container')) {
            $syncdContext->container = $syncdContainer;
        }
        $syncdContext->currentLocale = $syncdContainer->get('prestashop.core.localization.locale.repository')
            ->getLocale($syncdContext->language->getLocale());
    }

    $syncdHistory = new OrderHistory();
    $syncdHistory->id_order = (int) $syncdOrder->id;
    $syncdHistory->id_employee = 0;
    $syncdHistory->changeIdOrderState($syncdCancelled, $syncdOrder);
    $syncdTold = $syncdHistory->addWithemail(true);

    // A module may have prevented it, or have set another status. Not from a cache of the model's.
    $syncdNow = (int) Db::getInstance()->getValue(
        'SELECT current_state FROM `' . _DB_PREFIX_ . 'orders` WHERE id_order = ' . (int) $syncdOrder->id,
        false
    );
    if ($syncdNow !== $syncdCancelled || !$syncdHistory->id) {
        throw new Fault("PrestaShop left order $syncdOrder->id in status $syncdNow, with "
            . ($syncdHistory->id ? 'a' : 'no') . ' line in its history');
    }
    // It is cancelled: what is still missing is a matter for the log.
    if (!$syncdTold) {
        $syncd->note("order $syncdOrder->id is cancelled, but PrestaShop could not mail the buyer; see its log");
    }
    try {
        if (!syncdTell($syncdOrder, $syncd->comment)) {
            throw new Fault('it was not added');
        }
    } catch (Throwable $syncdWhy) {
        $syncd->note("order $syncdOrder->id is cancelled, but no message says why: " . $syncdWhy->getMessage());
    }
    $syncd->accept();
} catch (Throwable $syncdWhy) {
    $syncd->end($syncdWhy);
}
